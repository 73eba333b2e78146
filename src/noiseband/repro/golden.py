"""Check whether initial weights are the reference implementation's, and explain a mismatch."""

from __future__ import annotations

from typing import Any

from noiseband.published.golden import TORCH, golden_digests
from noiseband.repro.compare import compare_digests


def complaint(start: str, found: dict[str, Any]) -> str | None:
    """The message about a starting point that differs from the reference, with the remedy.

    None if it does not differ, or if the reference's digests are unknown.
    """
    golden = golden_digests(start)
    if golden is None:
        return None
    comparison = compare_digests(golden, found)
    if comparison.first is None:
        return None
    first, count = comparison.first, f"{len(comparison.differences)} of {comparison.tensors}"
    return (
        f"init/{start}.safetensors: {count} tensors differ from the reference's, first "
        f"{first.tensor} ({first.reason}); {_cause()}"
    )


def _cause() -> str:
    import torch  # only if they differ

    capability = torch.backends.cpu.get_cpu_capability()
    torch_version = torch.__version__.partition("+")[0]
    if capability not in ("AVX2", "AVX512"):
        return (
            f"the known cause: without AVX2 (PyTorch uses {capability} on this CPU) the generator "
            "draws in another order; draw them on a machine with AVX2 (`noiseband init`) and copy "
            "both files, or use `init: keyed`, or `on_mismatch: warn`"
        )
    if torch_version != TORCH:
        return (
            f"the known cause: the reference was drawn with torch {TORCH}, and this is "
            f"{torch_version}; install torch=={TORCH}, or use `init: keyed`, or "
            "`on_mismatch: warn`"
        )
    return (
        f"torch is {TORCH} and the CPU has {capability}, so the file is damaged or was made by "
        "other code: remove it and run again, or use `init: keyed` or `on_mismatch: warn`"
    )
