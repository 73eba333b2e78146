"""Digests of the reference implementation's initial weights, and what to do without them.

`golden_digests/<start>.json` are digest files of a model written plainly on PyTorch's layers (it is
in tests/model/reference_model.py), for the starting points of the published series.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import torch

from noiseband.files import read_json
from noiseband.repro.compare import compare_digests

TORCH = "2.13.0"
"""The version that drew them; on x86-64 with AVX2 or AVX-512, with any number of threads."""


def golden_digests(start: str) -> dict[str, Any] | None:
    """The reference's digest file of a starting point; None where none is known."""
    path = Path(str(resources.files(__package__) / "golden_digests" / f"{start}.json"))
    return read_json(path) if path.is_file() else None


def complaint(start: str, found: dict[str, Any]) -> str | None:
    """What is wrong with a starting point's digest file, and the remedy; None where nothing is,
    or where there is no reference."""
    golden = golden_digests(start)
    if golden is None:
        return None
    comparison = compare_digests(golden, found)
    if comparison.first is None:
        return None
    first, count = comparison.first, f"{len(comparison.differences)} of {comparison.tensors}"
    return (
        f"init/{start}.safetensors: {count} tensors are not the reference's, first {first.tensor} "
        f"({first.reason}); {_cause()}"
    )


def _cause() -> str:
    capability = torch.backends.cpu.get_cpu_capability()
    torch_version = torch.__version__.partition("+")[0]
    if capability not in ("AVX2", "AVX512"):
        return (
            f"the known cause: without AVX2 (this CPU gives PyTorch {capability}) the generator "
            "draws in another order; draw them on a machine with AVX2 (`noiseband init`) and copy "
            "both files, or use `init: keyed`, or `on_mismatch: warn`"
        )
    if torch_version != TORCH:
        return (
            f"the known cause: they were drawn with torch {TORCH}, and this is {torch_version}; "
            f"install torch=={TORCH}, or use `init: keyed`, or `on_mismatch: warn`"
        )
    return (
        f"torch is {TORCH} and the CPU has {capability}, so the file is damaged or of other code: "
        "remove it and run again; `init: keyed` or `on_mismatch: warn` go on without"
    )
