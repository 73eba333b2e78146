"""Test how torchrun parses the arguments that it gets, and what a launcher's environment says."""

from __future__ import annotations

import sys

import pytest
from torch.distributed.run import parse_args

from noiseband.errors import UserError
from noiseband.train.launch.torchrun import launched, torchrun_arguments


def test_torchrun_leaves_the_commands_own_options_alone() -> None:
    own = ["train", "--run", "baseline-42", "--config", "c.yaml", "--processes", "2", "--out", "d"]
    found = parse_args(torchrun_arguments(2, own, "noiseband"))  # type: ignore[no-untyped-call]
    assert (found.no_python, found.training_script) == (True, sys.executable)
    assert found.training_script_args == ["-u", "-P", "-m", "noiseband", *own]
    assert found.nproc_per_node == "2"


@pytest.mark.parametrize("size", ["", "two", "-1", "2.0"])
def test_a_number_of_processes_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(UserError, match=r"WORLD_SIZE is '.*unset WORLD_SIZE"):
        launched()
