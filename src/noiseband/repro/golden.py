"""Whether initial weights are the reference implementation's, and what to do where they are not."""

from __future__ import annotations

from typing import Any

import torch

from noiseband.published.golden import TORCH, golden_digests
from noiseband.repro.compare import compare_digests


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
