"""All switches that decide which arithmetic runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch

from noiseband.products import RoundedProducts, type_of_operands
from noiseband.study.recipe import Precision


@dataclass(frozen=True)
class Arithmetic:
    """The arithmetic that a precision's name stands for."""

    tf32: bool
    """Whether CUDA may multiply float32 matrices in TF32. CPUs never do."""
    autocast: torch.dtype | None
    """Type of the forward pass's products; None means the type of the weights."""

    @property
    def scales_loss(self) -> bool:
        """Whether the loss is scaled: only for float16, in which small gradients would become 0."""
        return self.autocast is torch.float16


ARITHMETIC: dict[Precision, Arithmetic] = {
    "float32": Arithmetic(tf32=False, autocast=None),
    "tf32": Arithmetic(tf32=True, autocast=None),
    "float16-amp": Arithmetic(tf32=True, autocast=torch.float16),
    "bfloat16-amp": Arithmetic(tf32=True, autocast=torch.bfloat16),
    "float16-amp-no-tf32": Arithmetic(tf32=False, autocast=torch.float16),
    "bfloat16-amp-no-tf32": Arithmetic(tf32=False, autocast=torch.bfloat16),
}


def make_deterministic(threads: int, precision: Precision) -> None:
    """Configure the process so that equal inputs give equal bits.

    This allows deterministic algorithms only, fixes the cuBLAS workspace, turns autotuning off,
    uses TF32 only if the precision asks for it, and sets the number of CPU threads.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    # Like use_deterministic_algorithms(True), but without importing the compiler (1 to 3 s).
    torch.set_deterministic_debug_mode("error")
    # Filling every new tensor only helps to find reads of uninitialised memory, and takes time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    tf32 = ARITHMETIC[precision].tf32
    torch.backends.cuda.matmul.fp32_precision = "tf32" if tf32 else "ieee"
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"  # type: ignore[attr-defined]
    torch.set_num_threads(threads)


def autocast(
    precision: Precision, device: torch.device
) -> Callable[[], AbstractContextManager[object]]:
    """Return a function that opens the context in which a forward pass runs.

    What the processor can multiply is looked up in this call, which the compiler does not trace.
    """
    dtype = ARITHMETIC[precision].autocast
    if dtype is None:
        return nullcontext
    if type_of_operands(dtype, device) is not dtype:
        return partial(RoundedProducts, dtype)
    return partial(torch.autocast, device.type, dtype)


def products_in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """A context in which matrices of a 16-bit type are multiplied, on a CPU without instructions
    for it as well."""
    if type_of_operands(dtype, device) is not dtype:
        return RoundedProducts(dtype)
    return nullcontext()


def pick_device() -> torch.device:
    """The first visible GPU, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seed_everything(seed: int, device: torch.device) -> None:
    """Seed the default generators of the CPU and of `device`.

    Like torch.manual_seed, but without visiting all backends, which takes 1% of a small model's
    training time.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
