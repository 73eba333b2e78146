"""Traces of commands: how they are read, stored and compared."""

import math
from pathlib import Path

import pytest

from noiseband.errors import DamagedError, UserError
from noiseband.io.series import (
    first_difference,
    last_logged,
    read_log,
    read_series,
    write_series,
)


def log(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    csv = read_log(log(tmp_path, "step,loss,lr\n0,2.5,\n10,nan,0.1\n"))
    lines = '{"step": 0, "loss": 2.5}\n{"step": 10, "loss": NaN, "lr": 0.1}\n'
    jsonl = read_log(log(tmp_path, lines, "t.jsonl"))
    assert repr(csv) == repr(jsonl)
    steps, series = csv
    assert steps == [0, 10]
    assert series["loss"][0] == 2.5
    assert math.isnan(series["loss"][1])
    assert math.isnan(series["lr"][0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("step,loss\n", "no rows"),
        ("step,lr\n0,1\n", "loss: no such column"),
        ("loss\n1\n", "row 1: step: missing"),
        ("step,loss\n0,1\n0,1\n", "row 2: step: 0: comes after step 0"),
        ("step,loss\n-1,1\n", "step: '-1': write a whole number"),
        ("step,loss\n0,low\n", "row 1: loss: 'low': write a number"),
        ("step,loss\n0,1,2\n", "row 1: has more or fewer cells"),
        ("step,loss\n0\n", "row 1: has more or fewer cells"),
    ],
)
def test_an_error_names_the_row_and_the_column(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=r"t\.csv") as error:
        read_log(log(tmp_path, text))
    assert said in str(error.value)


def test_what_is_written_is_read_again_to_the_bit(tmp_path: Path) -> None:
    path, values = tmp_path / "trace.parquet", {"loss": [0.1, math.nan], "x": [-0.0, 1e300]}
    write_series(path, [3, 9], values)
    before = path.read_bytes()
    assert repr(read_series(path)) == repr(([3, 9], values))
    write_series(path, [3, 9], values)
    assert path.read_bytes() == before
    path.write_bytes(before[:-9])
    with pytest.raises(DamagedError):
        read_series(path)


def test_the_first_step_that_differs_is_found() -> None:
    one = ([0, 5], {"loss": [1.0, math.nan], "lr": [0.0, 1.0]})
    assert first_difference(one, one) is None
    assert first_difference(one, ([0, 5], {"loss": [1.0, 2.0], "lr": [0.0, 2.0]})) == (
        5,
        ["loss", "lr"],
    )
    assert first_difference(one, ([0, 5], {"loss": [1.0, math.nan], "lr": [-0.0, 1.0]})) == (
        0,
        ["lr"],
    )
    assert first_difference(one, ([0, 6], {"loss": [1.0, 2.0], "lr": [0.0, 1.0]})) == (5, ["step"])
    assert first_difference(one, ([0], {"loss": [1.0], "lr": [0.0]})) == (5, ["step"])
    assert first_difference(one, ([0, 5], {"loss": [1.0, math.nan]})) == (0, ["lr"])


def test_the_last_whole_row_of_a_growing_table_is_known(tmp_path: Path) -> None:
    assert last_logged(tmp_path / "none.csv") is None
    assert last_logged(log(tmp_path, "step,loss\n")) is None
    assert last_logged(log(tmp_path, "step,loss\n0,3\n7,2.5\n8,2.")) == (7, 2.5)
