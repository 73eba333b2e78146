"""Profile a training step, and report how its time is divided: by operator or by GPU kernel."""

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
"""Patterns of the names of CUDA kernels, by purpose. The first pattern that is found counts, also
for a kernel that the compiler fused from several."""
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
    """The purpose of a CUDA kernel, by its name."""
    for purpose, pattern in KERNELS.items():
        if re.search(pattern, kernel):
            return purpose
    return "other kernels"


class _Profile:
    """Takes the place of `Pace`, and profiles some steps after a warm-up.

    The wall time is taken without the profiler, which slows down small operators.
    """

    def __init__(self, results: Any) -> None:
        self.results = results
        self.done = 0
        self.gpu = torch.cuda.is_available()
        self.steps = GPU_STEPS if self.gpu else STEPS

    def begin(self) -> None:
        pass

    def step(self, loss: float) -> None:
        from torch.profiler import ProfilerActivity, profile

        self.done += 1
        if self.done == self.steps:
            self.started = time.perf_counter()
        elif self.done == 2 * self.steps:
            self.wall = (time.perf_counter() - self.started) / self.steps * 1e3
            kind = ProfilerActivity.CUDA if self.gpu else ProfilerActivity.CPU
            self.profile = profile(activities=[kind])
            self.profile.start()
        elif self.done == 3 * self.steps:
            self.profile.stop()
            found = self._kernels() if self.gpu else self._operators()
            self.results.send((kernel_shares if self.gpu else operator_shares)(found, self.wall))
            raise SystemExit

    def _kernels(self) -> dict[str, float]:
        """Milliseconds per step of each CUDA kernel."""
        return {
            event.key: event.self_device_time_total / 1e3 / self.steps
            for event in self.profile.key_averages()
            if event.self_device_time_total > 0 and not event.key.startswith("Optimizer.")
        }

    def _operators(self) -> dict[str, float]:
        """Milliseconds per step of each of PyTorch's operators."""
        return {
            event.key.removeprefix("aten::"): event.self_cpu_time_total / 1e3 / self.steps
            for event in self.profile.key_averages()
            if event.key.startswith("aten::")
        }


def kernel_shares(kernels: dict[str, float], wall: float) -> dict[str, Any]:
    """Shares of a step by purpose of its kernels; `waiting` is the time without a kernel.

    Args:
        kernels: milliseconds per step of each kernel.
        wall: milliseconds per step.
    """
    shares = dict.fromkeys([*KERNELS, "other kernels"], 0.0)
    for kernel, milliseconds in kernels.items():
        shares[purpose_of(kernel)] += milliseconds / wall
    return _found(shares, "waiting", kernels, wall)


def operator_shares(operators: dict[str, float], wall: float) -> dict[str, Any]:
    """The same by purpose of PyTorch's operators."""
    rest = dict(operators)
    shares = {
        purpose: sum(rest.pop(name, 0.0) for name in names) / wall
        for purpose, names in OPERATORS.items()
    }
    shares["small kernels and copies"] = sum(rest.values()) / wall
    return _found(shares, "Python, autograd and the rest", operators, wall)


def _found(
    shares: dict[str, float], remainder: str, parts: dict[str, float], wall: float
) -> dict[str, Any]:
    """The results, with everything that has no share under `remainder`."""
    largest = sorted(parts.items(), key=lambda item: -item[1])[:LARGEST]
    whole = {**shares, remainder: 1.0 - sum(shares.values())}
    return {
        "milliseconds_per_step": round(wall, 2),
        "share": {name: round(value, 3) for name, value in whole.items()},
        "largest_operators": {name[:80]: round(time / wall, 3) for name, time in largest},
    }


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
    Noiseband(text)(_Profile(results))  # type: ignore[arg-type]
