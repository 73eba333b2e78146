"""Compare a run with a second training of the same recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from noiseband.io.digests import file_digest
from noiseband.io.files import write_json
from noiseband.io.traces import read_rows
from noiseband.repro.diverge import diverge
from noiseband.train.replay import finished_job


def verify_rerun(original: Path, rerun: Path, results: Path, out: Path) -> bool:
    """Compare two run folders and write the finding; return whether they are identical.

    If they are not, `divergence` in the finding says where they diverge.

    Args:
        original: folder of the run that was trained first.
        rerun: folder of the run that was trained afresh from the same recipe.
        results: the study's results, which have the tokens and initial weights of both.
        out: JSON file to write.

    Raises:
        UserError: one of the folders has no finished run.
    """
    first, second = finished_job(original, results), finished_job(rerun, results)
    found = diverge(first, second, say=lambda text: print(text, file=sys.stderr))
    if not found.identical:
        print(found, file=sys.stderr)
    finding: dict[str, Any] = {
        "run": second.params.run,
        "original": first.params.run,
        "identical": found.identical,
        "sha256": {
            "original": file_digest(original / "model.safetensors"),
            "rerun": file_digest(rerun / "model.safetensors"),
        },
        "steps": len(read_rows(original / "trace.parquet")),
        "divergence": None if found.identical else found.as_dict(),
    }
    write_json(out, finding)
    return found.identical
