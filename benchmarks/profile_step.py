"""Where the time of a training step goes: by operator on a CPU, by kernel on a GPU."""

from __future__ import annotations

import multiprocessing
import re
import time
from typing import Any

import torch

from benchmarks.contenders import Noiseband
from noiseband.study.params import TrainParams

STEPS = 50
GPU_STEPS = 5
LARGEST = 12
KERNELS = {
    "matrix products": r"nvjet|gemm|cutlass::Kernel|splitK",
    "attention": r"flash|fmha|sdpa|attention",
    "softmax over the vocabulary": r"^_row$|log_softmax|nll_loss|cross_entropy",
    "gradient of the embedding": r"embedding_backward|indexing_backward|partial_seg|radix",
    "AdamW": r"FusedAdam|FusedOptimizer",
    "sums over slots": r"CUDAFunctor_add|AddFunctor|FillFunctor",
    "layer norm": r"layer_norm",
    "GELU": r"gelu",
    "other compiled kernels": r"^triton_",
    "copies": r"^Mem(cpy|set)",
}
"""Patterns of CUDA kernels' names, by what they are for; the first that is found counts. Of two
that a compiler made one, the first too."""
OPERATORS = {
    "matrix products": ("mm", "addmm", "addmm_", "bmm", "baddbmm"),
    "drawing dropout masks": ("random_", "ge"),
    "softmax": ("_softmax", "_softmax_backward_data"),
    "GELU": ("gelu", "gelu_backward"),
    "layer norm": ("native_layer_norm", "native_layer_norm_backward"),
    "exponential, sum and maximum over the vocabulary": (
        "exp_",
        "amax",
        "sum",
        "log",
        "sub_",
        "scatter_add_",
        "gather",
    ),
    "AdamW": ("_fused_adamw_",),
}
"""The names of PyTorch's operators (aten::...), by purpose; the rest are small kernels."""


def purpose_of(kernel: str) -> str:
    """What a CUDA kernel is for, by its name."""
    for purpose, pattern in KERNELS.items():
        if re.search(pattern, kernel):
            return purpose
    return "other kernels"


class _GPUProfile:
    """As `_Profile`, by the kernels that ran; what no kernel filled is `waiting`."""

    def __init__(self, results: Any) -> None:
        self.results = results
        self.done = 0

    def begin(self) -> None:
        pass

    def step(self, loss: float) -> None:
        from torch.profiler import ProfilerActivity, profile

        self.done += 1
        if self.done == GPU_STEPS:
            self.started = time.perf_counter()
        elif self.done == 2 * GPU_STEPS:
            self.plain = (time.perf_counter() - self.started) / GPU_STEPS
            self.profile = profile(activities=[ProfilerActivity.CUDA])
            self.profile.start()
        elif self.done == 3 * GPU_STEPS:
            self.profile.stop()
            kernels = {
                event.key: event.self_device_time_total / 1e3 / GPU_STEPS
                for event in self.profile.key_averages()
                if event.self_device_time_total > 0 and not event.key.startswith("Optimizer.")
            }
            self.results.send(by_purpose(kernels, self.plain * 1e3))
            raise SystemExit


def by_purpose(kernels: dict[str, float], wall: float) -> dict[str, Any]:
    """Shares of a step of `wall` milliseconds, of which each kernel takes so many."""
    shares = dict.fromkeys([*KERNELS, "other kernels"], 0.0)
    for kernel, milliseconds in kernels.items():
        shares[purpose_of(kernel)] += milliseconds / wall
    shares["waiting"] = 1.0 - sum(shares.values())
    largest = sorted(kernels.items(), key=lambda item: -item[1])[:LARGEST]
    return {
        "milliseconds_per_step": round(wall, 2),
        "share": {name: round(value, 3) for name, value in shares.items()},
        "largest_operators": {name[:80]: round(time / wall, 3) for name, time in largest},
    }


class _Profile:
    """Takes the place of `Pace`, and profiles some steps after a warm-up."""

    def __init__(self, results: Any) -> None:
        self.results = results
        self.done = 0

    def begin(self) -> None:
        pass

    def step(self, loss: float) -> None:
        from torch.profiler import ProfilerActivity, profile

        self.done += 1
        if self.done == STEPS:
            self.started = time.perf_counter()
        elif self.done == 2 * STEPS:
            # The wall time is taken without the profiler, which slows down small operators.
            self.plain = (time.perf_counter() - self.started) / STEPS
            self.profile = profile(activities=[ProfilerActivity.CPU])
            self.profile.start()
        elif self.done == 3 * STEPS:
            self.profile.stop()
            wall = self.plain * STEPS * 1e6
            own = {
                event.key.removeprefix("aten::"): event.self_cpu_time_total
                for event in self.profile.key_averages()
                if event.key.startswith("aten::")
            }
            largest = sorted(own.items(), key=lambda item: -item[1])[:LARGEST]
            operators = {name: round(time / wall, 3) for name, time in largest}
            shares = {
                purpose: sum(own.pop(name, 0.0) for name in names) / wall
                for purpose, names in OPERATORS.items()
            }
            shares["small kernels and copies"] = sum(own.values()) / wall
            shares["Python, autograd and the rest"] = 1.0 - sum(shares.values())
            self.results.send(
                {
                    "milliseconds_per_step": round(self.plain * 1e3, 2),
                    "share": {name: round(value, 3) for name, value in shares.items()},
                    "largest_operators": operators,
                }
            )
            raise SystemExit


def where_time_goes(params: TrainParams) -> dict[str, Any]:
    """The shares of a noiseband step's time, profiled in a separate process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_profile, args=(params.text, there))
    child.start()
    there.close()
    found: dict[str, Any] = here.recv()
    child.join()
    for name, share in found["share"].items():
        print(f"  {share:6.1%}  {name}")
    largest = (f"{name} {share:.1%}" for name, share in found["largest_operators"].items())
    print(f"  largest operators: {', '.join(largest)}")
    return found


def _profile(text: str, results: Any) -> None:
    kind = _GPUProfile if torch.cuda.is_available() else _Profile
    Noiseband(text)(kind(results))  # type: ignore[arg-type]
