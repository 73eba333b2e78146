"""AdamW without PyTorch's classes: their bits, and none of the seconds that they take to import."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from noiseband.train.optimizers.adamw import AdamW
from tests.train.conftest import MakeJob, train_command


def parameters(count: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(5, 7 + i, generator=generator).requires_grad_(i % 2 == 0) for i in range(count)
    ]


def set_gradients(tensors: list[Tensor], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for tensor in tensors:
        tensor.grad = torch.randn(tensor.shape, generator=generator)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_bits_are_those_of_pytorchs_class(fused: bool, weight_decay: float) -> None:
    ours, theirs = parameters(), parameters()
    options = {"betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": weight_decay, "fused": fused}
    own = AdamW(ours, **options)  # type: ignore[arg-type]
    reference = torch.optim.AdamW(theirs, lr=1.0, **options)  # type: ignore[arg-type]
    for step, rate in enumerate((0.1, 0.01, 0.03)):
        set_gradients(ours, step)
        set_gradients(theirs, step)
        reference.param_groups[0]["lr"] = rate
        own.step(rate)
        reference.step()
    assert not torch.equal(ours[0], parameters()[0])
    for i, tensor in enumerate(theirs):
        state = reference.state[tensor]
        assert torch.equal(ours[i], tensor)
        assert torch.equal(own.first_moments[i], state["exp_avg"])
        assert torch.equal(own.second_moments[i], state["exp_avg_sq"])
        assert torch.equal(own.updates[i], state["step"])


def test_the_fused_kernel_reads_a_scale_and_whether_to_skip() -> None:
    scaled, plain = parameters(), parameters()
    one, other = (AdamW(tensors, weight_decay=0.1, fused=True) for tensors in (scaled, plain))
    set_gradients(scaled, 0)
    set_gradients(plain, 0)
    for tensor in plain:
        assert tensor.grad is not None
        tensor.grad /= 4
    one.step(0.1, grad_scale=torch.tensor(4.0), found_inf=torch.tensor(0.0))
    other.step(0.1)
    assert all(torch.equal(a, b) for a, b in zip(scaled, plain, strict=True))
    before = [tensor.detach().clone() for tensor in scaled]
    one.step(0.1, found_inf=torch.tensor(1.0))
    assert all(torch.equal(a, b) for a, b in zip(scaled, before, strict=True))
    assert one.updates == other.updates == [1.0] * 3


def test_cleared_gradients_are_gone() -> None:
    tensors = parameters()
    optimiser = AdamW(tensors, weight_decay=0.1, fused=True)
    set_gradients(tensors, 0)
    optimiser.clear()
    assert all(tensor.grad is None for tensor in tensors)


def test_training_does_not_import_the_compiler(make_job: MakeJob) -> None:
    """Importing it takes as long as importing PyTorch."""
    command = train_command(make_job())
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "torch" in imported
    assert "torch._dynamo" not in imported


def test_no_stage_imports_the_compiler() -> None:
    stages = "noiseband.evaluate.loss, noiseband.finetune.loop, noiseband.finetune.respond"
    code = f"import sys, {stages}; print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
