"""Exports of panels of Weights & Biases, written by hand as its page writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from tests.referee.readers.files import cells, only, written

PANEL = (
    '"Step","base - s1 - val/loss","base - s1 - val/loss__MIN","base - s1 - val/loss__MAX",'
    '"wide-s1 - val/loss","wide-s1 - val/loss__MIN","wide-s1 - val/loss__MAX"\n'
    '"0","4.5","4.5","4.5","4.25","4.25","4.25"\n'
    '"10","3.5","3.25","3.75","","",""\n'
    '"11","","","","NaN","NaN","NaN"\n'
)


def test_each_column_of_a_panel_is_a_run(tmp_path: Path) -> None:
    raw = only(written(tmp_path, PANEL, "wandb_export.csv"))
    assert cells(raw) == [
        ["run", "Step", "val/loss"],
        ["base - s1", "0", "4.5"],
        ["wide-s1", "0", "4.25"],
        ["base - s1", "10", "3.5"],
        ["wide-s1", "11", "NaN"],
    ]
    assert list(raw.table.index) == [2, 2, 3, 4]
    found = measurements([raw], Choice(take="best", needs_arm=False)).runs
    assert found["run"].tolist() == ["base - s1", "wide-s1"]
    assert found["val/loss"].tolist()[0] == 3.5


def test_a_panel_may_be_without_its_extremes(tmp_path: Path) -> None:
    raw = only(written(tmp_path, "Step,a - loss,b - loss\n7,1,3\n", "export.csv"))
    assert cells(raw) == [["run", "Step", "loss"], ["a", "7", "1"], ["b", "7", "3"]]


def test_two_metrics_of_a_run_are_two_columns_of_its_rows(tmp_path: Path) -> None:
    names = [f"{run} - {metric}" for run in ("a", "b") for metric in ("loss", "acc")]
    header = ["Step", *(name + end for name in names for end in ("", "__MIN", "__MAX"))]
    content = ",".join(header) + "\n" + ",".join(["7", *"111222333444"]) + "\n"
    assert cells(only(written(tmp_path, content, "export.csv"))) == [
        ["run", "Step", "loss", "acc"],
        ["a", "7", "1", "2"],
        ["b", "7", "3", "4"],
    ]


def test_another_axis_than_the_step_is_said(tmp_path: Path) -> None:
    file = written(tmp_path, PANEL.replace('"Step"', '"Relative Time (Wall)"'), "export.csv")
    (note,) = only(file).notes
    assert note == f"{file}: steps are in the order of Relative Time (Wall)"


def test_a_table_with_a_hyphen_in_a_name_is_no_panel(tmp_path: Path) -> None:
    raw = only(written(tmp_path, "arm,loss - test\nbase,3.2\n", "runs.csv"))
    assert list(raw.table.columns) == ["arm", "loss - test"]


def test_a_panel_without_values_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, PANEL.splitlines()[0] + "\n1,,,,,,\n", "export.csv")
    with pytest.raises(UserError, match=r"export\.csv: no run of this panel has a value"):
        only(file)
