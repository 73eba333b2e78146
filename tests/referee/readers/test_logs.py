"""Logs, read by a pattern."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from noiseband.referee.readers import read
from tests.referee.readers.files import cells, only, written

LOG = (
    "step:0/20 val_loss:10.8258 train_time:0ms\r\n"
    "a line, of something else \r\n\r\n"
    "step:10/20 val_loss:4.50 train_time:7ms\r\n"
    "step:20/20 val_loss:nan\r\n"
)


def test_each_match_is_a_row_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, LOG, "base_1.txt")
    raw = only(file, r"^step:(?P<step>\d+)/\d+ val_loss:(?P<loss>\S+)( train_time:(?P<ms>\d+))?")
    assert cells(raw) == [
        ["step", "loss", "ms"],
        ["0", "10.8258", "0"],
        ["10", "4.50", "7"],
        ["20", "nan", None],
    ]
    assert raw.place(raw.table.index[1]) == f"{file}, line 4"


def test_without_a_step_the_last_match_of_a_file_is_its_value(tmp_path: Path) -> None:
    runs = [
        only(
            written(tmp_path, LOG.replace("nan", loss), f"{loss}.log"), "val_loss:(?P<loss>[0-9.]+)"
        )
        for loss in ("3.5", "3.25")
    ]
    assert runs[0].table["step"].tolist() == [1, 2, 3]
    found = measurements(runs, Choice(needs_arm=False)).runs
    assert found["loss"].tolist() == [3.5, 3.25]


def test_a_pattern_reads_any_kind_of_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b'{"loss": 3.5}', b"\xff\xe9 loss: 3.5", b"loss,\nloss: 3.5"):
        file = written(tmp_path, content, "any.json")
        assert only(file, 'loss"?: (?P<loss>[0-9.]+)').table["loss"].tolist() == ["3.5"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
    assert len(only("-", "val_loss:(?P<loss>[0-9.]+)").table) == 2


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("loss:(?P<loss", r"--pattern 'loss:\(\?P<loss': not a regular expression"),
        ("loss:([0-9.]+)", r"--pattern 'loss:\(\[0-9.\]\+\)': no named group in it"),
        ("x{9999999999999}(?P<loss>.)", "not a regular expression"),
        ("Loss:(?P<loss>.)", r"base\.txt: nothing in it matches --pattern 'Loss:"),
    ],
)
def test_a_pattern_that_finds_nothing_is_quoted(tmp_path: Path, pattern: str, message: str) -> None:
    file = written(tmp_path, LOG, "base.txt")
    with pytest.raises(UserError, match=message) as told:
        read(file, pattern)
    assert "\n" not in str(told.value)


def test_a_pattern_is_not_for_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder, but --pattern is for files"):
        read(str(tmp_path), "(?P<loss>.)")
