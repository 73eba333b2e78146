"""Test that a process started by srun finds its rank."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.train.launch.slurm import find_place
from noiseband.train.launch.torchrun import launched

STEP = {
    "SLURM_JOB_ID": "10012345",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "n[07-08]",
}
PLACE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def _no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PLACE, "TORCHELASTIC_RUN_ID", *STEP):
        monkeypatch.setenv(name, "")  # so that monkeypatch restores it afterwards
        monkeypatch.delenv(name)


def environment(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in {**STEP, **more}.items():
        monkeypatch.setenv(name, value)


def place() -> list[str | None]:
    return [os.environ.get(name) for name in PLACE]


def test_the_sixth_of_eight_tasks_on_two_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, MASTER_ADDR="10.0.0.7")
    find_place()
    assert place() == ["5", "8", "1", "4", "10.0.0.7", "22345"]
    assert launched()


def test_slurm_is_asked_where_its_first_node_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = {"show hostnames n[07-08]": "n07\nn08", "--oneliner show node n07": "NodeName=n07"}
    answers["--oneliner show node n07"] += " Arch=x NodeAddr=10.0.0.7 NodeHostName=h"
    script = tmp_path / "scontrol"
    cases = "".join(f"'{asked}') echo '{told}';;" for asked, told in answers.items())
    script.write_text(f'#!/bin/sh\ncase "$*" in {cases} esac\n')
    script.chmod(0o755)
    environment(monkeypatch, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    find_place()
    assert os.environ["MASTER_ADDR"] == "10.0.0.7"


def test_without_slurm_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment(monkeypatch, PATH=str(tmp_path))
    with pytest.raises(UserError, match="set MASTER_ADDR"):
        find_place()


def test_a_task_alone_or_of_torchrun_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, SLURM_STEP_NUM_TASKS="1")
    find_place()
    assert place() == [None] * 6 and not launched()
    environment(monkeypatch, RANK="0")
    find_place()
    assert place() == ["0", *[None] * 5]
