"""Test that a run records its segments, and that its bits do not depend on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from noiseband.train import segments
from noiseband.train.launch.processes import Processes
from noiseband.train.segments import begin_segment, segments_of


def on(monkeypatch: pytest.MonkeyPatch, cpu: str, count: int = 1) -> Processes:
    monkeypatch.setattr(segments, "processor", lambda device: {"cpu": cpu})
    return Processes(0, count, torch.device("cpu"))


def test_each_machine_has_its_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_segment(tmp_path, 0, on(monkeypatch, "one", 2))
    begin_segment(tmp_path, 100, on(monkeypatch, "other"))
    assert segments_of(tmp_path, 300) == [
        {"step": 0, "cpu": "one", "processes": 2},
        {"step": 100, "cpu": "other", "processes": 1},
    ]


def test_a_stop_that_changes_nothing_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (0, 100, 200):
        begin_segment(tmp_path, step, on(monkeypatch, "one"))
    assert [row["step"] for row in segments_of(tmp_path, 300)] == [0]


def test_steps_that_are_trained_again_belong_to_who_trains_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_segment(tmp_path, 0, on(monkeypatch, "one"))
    begin_segment(tmp_path, 100, on(monkeypatch, "other"))
    begin_segment(tmp_path, 50, on(monkeypatch, "third"))  # step 100's checkpoint was damaged
    assert [row["cpu"] for row in segments_of(tmp_path, 300)] == ["one", "third"]
    begin_segment(tmp_path, 0, on(monkeypatch, "fourth"))
    assert [row["cpu"] for row in segments_of(tmp_path, 300)] == ["fourth"]


def test_who_finds_all_steps_done_has_trained_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_segment(tmp_path, 0, on(monkeypatch, "one"))
    begin_segment(tmp_path, 300, on(monkeypatch, "other"))
    assert [row["cpu"] for row in segments_of(tmp_path, 300)] == ["one"]
