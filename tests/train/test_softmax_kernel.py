"""The GPU's kernel against PyTorch in float64: on a GPU, or in Triton's interpreter."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from noiseband.study.loss import Loss

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
needs_a_device = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED, reason="no GPU, and no interpreter"
)


@pytest.mark.skipif(
    DEVICE == "cuda" or INTERPRETED or importlib.util.find_spec("triton") is None,
    reason="Triton is not installed, or the tests below need no other process",
)
def test_in_the_interpreter() -> None:
    """Which must be asked for before anything imports Triton."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", __file__]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env={**os.environ, "TRITON_INTERPRET": "1"})
    assert done.returncode == 0


def softmax_gradient(
    logits: Tensor, targets: Tensor, vocabulary: int, factor: float, terms: Loss
) -> Tensor:
    """The losses; the gradient is where the logits were."""
    from noiseband.train import softmax_kernel

    losses = torch.full((len(logits),), torch.nan, device=DEVICE)
    softmax_kernel.softmax_gradient(logits, targets, losses, vocabulary, factor, terms)
    return losses


@needs_a_device
@pytest.mark.parametrize("terms", [Loss(), Loss(label_smoothing=0.1, z_loss=0.01)])
@pytest.mark.parametrize("vocabulary", [3, 257, 4096, 9001])  # up to three blocks of columns
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-6), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)],
)
def test_it_leaves_losses_and_gradients(
    vocabulary: int, dtype: torch.dtype, tolerance: float, terms: Loss
) -> None:
    generator = torch.Generator().manual_seed(vocabulary)
    columns = -(-vocabulary // 128) * 128
    logits = (4 * torch.randn(5, columns, generator=generator)).to(dtype)
    logits[:, vocabulary:] = 0.0  # as a head's rows of padding make them
    targets = torch.randint(0, vocabulary, (5,), generator=generator)
    targets[0] = vocabulary - 1
    exact = logits[:, :vocabulary].double().requires_grad_()
    losses = F.cross_entropy(exact, targets, reduction="none")
    smoothed = F.cross_entropy(
        exact, targets, reduction="sum", label_smoothing=terms.label_smoothing
    )
    squares = terms.z_loss * exact.logsumexp(dim=1).square().sum()
    torch.autograd.backward(3.0 * (smoothed + squares))
    logits = logits.to(DEVICE)
    found = softmax_gradient(logits, targets.to(DEVICE), vocabulary, 3.0, terms)
    assert exact.grad is not None
    torch.testing.assert_close(found.cpu().double(), losses.detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        logits[:, :vocabulary].cpu().double(), exact.grad, rtol=0, atol=tolerance
    )
    assert not logits[:, vocabulary:].any()


@needs_a_device
def test_a_logit_that_is_not_finite_makes_the_loss_so() -> None:
    logits = torch.zeros(2, 128, device=DEVICE)
    logits[0, 1], logits[1, 2] = torch.inf, torch.nan
    losses = softmax_gradient(logits, torch.tensor([0, 0], device=DEVICE), 100, 1.0, Loss())
    assert not losses.isfinite().any()
