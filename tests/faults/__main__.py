"""Campaigns against the whole pipeline: `python -m tests.faults [NAME...]`, or `make faults`.

A campaign is a module of this folder with `campaign(scratch, seed) -> dict`, which returns its
figures, ready for JSON, with a list of failures under `failures`. `scratch` is a folder that all
campaigns of one call share; `project.finished(scratch / "whole")` is the undisturbed study there.
The figures are stored under the campaign's name in `benchmarks/results/faults.json`, which keeps
those of other campaigns. The exit status is 1 if anything went wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from noiseband.io.files import read_json, write_json
from tests.project import ROOT

CAMPAIGNS = ("corruptions", "disks", "kills", "pocket")
OUT = ROOT / "benchmarks/results/faults.json"


def main() -> int:
    assert __doc__ is not None
    read = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    read.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CAMPAIGNS)}")
    read.add_argument("--seed", type=int, default=1)
    read.add_argument("--out", type=Path, default=OUT, help="file of the figures")
    given = read.parse_args()
    if unknown := set(given.names) - set(CAMPAIGNS):
        read.error(f"no campaign is called {', '.join(sorted(unknown))}")
    failed = False
    with tempfile.TemporaryDirectory(prefix="noiseband-faults-") as scratch:
        for name in given.names or CAMPAIGNS:
            found = import_module(f"tests.faults.{name}").campaign(Path(scratch), given.seed)
            keep(given.out, name, {"seed": given.seed, "machine": machine(), **found})
            for failure in found["failures"]:
                print(f"{name}: {failure}", file=sys.stderr)
            print(f"{name}: {len(found['failures'])} failures", file=sys.stderr)
            failed = failed or bool(found["failures"])
    print(given.out)
    return int(failed)


def keep(path: Path, name: str, figures: dict[str, Any]) -> None:
    """Replace a campaign's earlier figures by new ones."""
    sections = read_json(path) if path.exists() else {}
    write_json(path, dict(sorted({**sections, name: figures}.items())), checksum=False)


if __name__ == "__main__":
    sys.exit(main())
