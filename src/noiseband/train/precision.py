"""Every switch that decides which arithmetic runs."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from noiseband.study.recipe import Precision

INITIAL_SCALE = 65_536.0
GROWTH_INTERVAL = 2_000

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


class LossScale:
    """Power-of-two loss scaling for float16, as PyTorch's GradScaler does it.

    A step with a non-finite gradient is skipped and halves the scale; 2,000 good steps in a row
    double it. Other precisions keep a scale of 1 and skip non-finite steps too.
    """

    def __init__(self, precision: Precision) -> None:
        self.dynamic = precision == "float16-amp"
        self.scale = INITIAL_SCALE if self.dynamic else 1.0
        self.good_steps = 0

    def update(self, finite: bool) -> None:
        if not self.dynamic:
            return
        self.good_steps = self.good_steps + 1 if finite else 0
        if not finite:
            self.scale /= 2.0
        elif self.good_steps == GROWTH_INTERVAL:
            self.scale *= 2.0
            self.good_steps = 0


def pick_device() -> torch.device:
    """The first visible GPU, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
