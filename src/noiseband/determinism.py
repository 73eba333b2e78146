"""Every switch that decides which arithmetic runs."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from noiseband.study.recipe import Precision

_AUTOCAST = {"float16-amp": torch.float16, "bfloat16-amp": torch.bfloat16}


def make_deterministic(threads: int, precision: Precision) -> None:
    """Set the process up so that equal inputs give equal bits.

    Deterministic algorithms only, a fixed cuBLAS workspace, no autotuning, TF32 exactly where the
    precision asks for it (`tf32`, and `float16-amp` as published), `threads` CPU threads.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    # As use_deterministic_algorithms(True), without its import of the whole compiler (1 to 3 s).
    torch.set_deterministic_debug_mode("error")
    # Filling every new tensor is for catching reads of uninitialised memory, and costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    tf32 = precision in ("tf32", "float16-amp")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.set_num_threads(threads)


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which the forward pass runs."""
    dtype = _AUTOCAST.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def pick_device() -> torch.device:
    """The first visible GPU, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
