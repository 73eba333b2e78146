"""Train every job of a list with one launch of torchrun.

python -m tests.train.elastic_cases PROCESSES JOBS.JSON
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.vocabulary import load_encoding
from noiseband.study.params import TrainParams
from noiseband.train.launch.processes import joined
from noiseband.train.launch.torchrun import end, launch, launched
from noiseband.train.loop import train
from noiseband.train.trainer import Job


def main() -> None:
    processes, jobs = int(sys.argv[1]), Path(sys.argv[2])
    if not launched():
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        sys.exit(launch(processes, sys.argv[1:], module="tests.train.elastic_cases"))
    with joined() as group:
        assert group.count == processes
        for case in json.loads(jobs.read_text(encoding="utf-8")):
            out = Path(case["--out"], str(processes))
            job = Job(
                params=TrainParams.model_validate_json(case["params"]),
                tokens=open_tokens(Path(case["--tokens"])),
                encoding=load_encoding(Path(case["--vocabulary"])),
                init=Path(case["--init"]),
                work=out / "work",
                out=out,
            )
            train(job, group)
    end(0)


if __name__ == "__main__":
    main()
