"""Digests of the reference implementation's initial weights.

`golden_digests/<start>.json` are the digest files for the starting points of the published series.
The reference implementation, written with PyTorch's own layers, is tests/model/reference_model.py.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from noiseband.io.files import read_json

TORCH = "2.13.0"
"""The PyTorch version that drew the weights; x86-64 with AVX2 or AVX-512, any number of threads."""


def golden_digests(start: str) -> dict[str, Any] | None:
    """The reference's digest file of a starting point; None if there is none."""
    path = Path(str(resources.files(__package__) / "golden_digests" / f"{start}.json"))
    return read_json(path) if path.is_file() else None
