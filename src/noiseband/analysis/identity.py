"""The digest of what a run ended with, by which equal runs are recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from noiseband.analysis.sources import json_file
from noiseband.study.command_params import DIGESTS, RESULT
from noiseband.study.section import canonical_json


def identity(folder: Path, volatile: Collection[str] = ()) -> str:
    """SHA-256 of a run's weights or, if its trainer declares none, of its metrics.

    Args:
        folder: the run's folder.
        volatile: metrics that may differ between reruns, such as seconds.

    Raises:
        NotMadeError: the run is not finished.
    """
    if (folder / DIGESTS).exists():
        return str(json_file(folder / DIGESTS)["sha256"])
    return metrics_digest(json_file(folder / RESULT), volatile)


def metrics_digest(result: dict[str, Any], volatile: Collection[str] = ()) -> str:
    """SHA-256 of the metrics in the content of a `result.json`, without the volatile ones."""
    kept = {name: one for name, one in result["metrics"].items() if name not in volatile}
    return hashlib.sha256(canonical_json(kept).encode()).hexdigest()
