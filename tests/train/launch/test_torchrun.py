"""Test how torchrun parses the arguments that it gets."""

from __future__ import annotations

from torch.distributed.run import parse_args

from noiseband.train.launch.torchrun import torchrun_arguments


def test_torchrun_leaves_the_commands_own_options_alone() -> None:
    own = ["train", "--run", "baseline-42", "--config", "c.yaml", "--processes", "2", "--out", "d"]
    found = parse_args(torchrun_arguments(2, own, "noiseband"))  # type: ignore[no-untyped-call]
    assert (found.module, found.training_script) == (True, "noiseband")
    assert found.training_script_args == own
    assert found.nproc_per_node == "2"
