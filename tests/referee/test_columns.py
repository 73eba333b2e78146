"""Columns are found where there is one possibility, and otherwise asked for."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from noiseband.errors import UserError
from noiseband.referee.columns import ONE_ARM, Choice, measurements, number
from noiseband.referee.raw import Raw


def raw(table: dict[str, list[Any]], file: str = "f.csv", **more: Any) -> Raw:
    made = pd.DataFrame(table, dtype=object)
    made.index = pd.RangeIndex(2, len(made) + 2)  # the lines below a header
    return Raw(file, made, **more)


def read(table: dict[str, list[Any]], *metrics: str, **more: Any) -> Any:
    return measurements([raw(table)], Choice(metrics, **more))


ARMS: dict[str, list[Any]] = {"arm": ["main", "new"]}


def test_the_only_column_of_numbers_is_the_metric_and_that_is_said() -> None:
    found = read({**ARMS, "note": ["a", "b"], "seed": ["1", "2"], "ppl": ["12.5", "13"]})
    assert found.metrics == ("ppl",)
    assert found.runs["ppl"].tolist() == [12.5, 13.0]
    assert found.notes == ("the metric is ppl, the only column of numbers",)


def test_a_loss_is_preferred_if_there_is_one() -> None:
    found = read({**ARMS, "tokens": ["1", "2"], "test_loss": ["3.1", "3.2"]})
    assert found.metrics == ("test_loss",)
    both = {**ARMS, "loss": ["1", "2"], "test_loss": ["3.1", "3.2"]}
    with pytest.raises(UserError, match="several columns of numbers; name one with --metric"):
        read(both)
    assert read(both, "loss").metrics == ("loss",)
    assert read(both, "loss", "test_loss").metrics == ("loss", "test_loss")


def test_a_metric_that_is_not_there_is_an_error_with_the_nearest() -> None:
    with pytest.raises(UserError, match="no column los; did you mean loss"):
        read({**ARMS, "loss": ["1", "2"]}, "los")
    with pytest.raises(UserError, match="no column of numbers"):
        read({**ARMS, "remark": ["good", "bad"]})


def test_without_an_arm_there_is_only_a_target() -> None:
    table = {"loss": ["3.1", "3.2"]}
    with pytest.raises(UserError, match="no column arm or intervention; name the column with"):
        read(table)
    assert read(table, needs_arm=False).arms == [ONE_ARM]
    assert read({"recipe": ["a", "b"], **table}, "loss", arm="recipe").arms == ["a", "b"]
    with pytest.raises(UserError, match="no column recip; did you mean recipe"):
        read({"recipe": ["a", "b"], **table}, "loss", arm="recip")
    with pytest.raises(UserError, match=r"f\.csv, line 3: arm is empty"):
        read({"arm": ["a", None], **table})


@pytest.mark.parametrize("cell", ["3.2 nats", "53%", "3,2", "1_000", "0x10", "true", "-", "3.2.1"])
def test_text_where_a_number_belongs_is_named_with_its_place(cell: str) -> None:
    with pytest.raises(UserError, match=r"f\.csv, line 3: loss is .*, not a number"):
        read({**ARMS, "loss": ["3.1", cell]}, "loss")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("3.10", 3.1), (" 3.1 ", 3.1), ("+3.1e0", 3.1), (".5", 0.5), ("5.", 5.0), (3, 3.0),
     ("-inf", -math.inf), ("Infinity", math.inf), ("", None), (None, None)],
)  # fmt: skip
def test_numbers(cell: Any, value: float | None) -> None:
    assert number(cell) == value


def test_nan_is_a_value_and_an_empty_cell_is_none() -> None:
    assert math.isnan(number("nan") or 0.0)
    found = read({**ARMS, "step": ["1", "1"], "loss": ["3.1", None]}, "loss")
    assert math.isnan(found.runs["loss"][1])


def test_seeds_are_equal_as_numbers() -> None:
    found = read({**ARMS, "seed": ["042", "42.0"], "loss": ["1", "2"]}, "loss")
    for column in ("init_seed", "data_seed", "train_seed"):
        assert found.runs[column].tolist() == ["42", "42"]
    own = read({**ARMS, "seed": ["1", "2"], "init_seed": ["7", None], "loss": ["1", "2"]}, "loss")
    assert own.runs["init_seed"].tolist() == ["7", None]
    assert own.runs["train_seed"].tolist() == ["1", "2"]


STEPS: dict[str, list[Any]] = {
    "run": ["a", "a", "b", "a", "b"],
    "arm": ["main", "main", "new", "main", "new"],
    "step": ["10", "30", "10", "20", "20"],
    "loss": ["3.5", "3.3", "3.6", "3.1", None],
}


@pytest.mark.parametrize(
    ("take", "values", "said"),
    [
        ("last", [3.3, 3.6], "the last counts"),
        ("best", [3.1, 3.6], "the best counts"),
        ("mean:2", [3.2, 3.6], "the mean of the last 2 counts"),
    ],
)
def test_of_several_steps_one_value_counts(take: str, values: list[float], said: str) -> None:
    found = read(STEPS, "loss", take=take)
    assert found.runs["run"].tolist() == ["a", "b"]
    assert found.runs["loss"].tolist() == values
    assert said in " ".join(found.notes)


def test_the_last_step_that_is_not_finite_is_not_dropped() -> None:
    found = read({**STEPS, "loss": ["3.5", "nan", "3.6", "3.1", "inf"]}, "loss")
    assert math.isnan(found.runs["loss"][0]) and math.isinf(found.runs["loss"][1])


@pytest.mark.parametrize("take", ["first", "mean:0", "mean:", "mean:x"])
def test_another_value_is_refused(take: str) -> None:
    with pytest.raises(UserError, match="use last, best, or mean:K"):
        read(STEPS, "loss", take=take)


def test_rows_of_one_metric_each_become_rows_of_a_run() -> None:
    long: dict[str, list[Any]] = {
        "run": ["a", "a", "b", "b"],
        "arm": ["main", "main", "new", "new"],
        "metric": ["loss", "acc", "loss", "acc"],
        "value": ["3.1", "0.5", "3.2", "0.4"],
    }
    found = read(long, "loss", "acc")
    assert found.runs[["run", "loss", "acc"]].to_numpy().tolist() == [
        ["a", 3.1, 0.5],
        ["b", 3.2, 0.4],
    ]
    twice = {name: [*cells, cells[0]] for name, cells in long.items()}
    with pytest.raises(UserError, match=r"f\.csv, line 6: a second loss of the same run"):
        read(twice, "loss")


def test_runs_of_several_files_are_one_table() -> None:
    files = [raw({**ARMS, "loss": ["1", "2"]}, name) for name in ("a.csv", "b.csv")]
    found = measurements(files, Choice())
    assert found.runs["run"].tolist() == [
        "a.csv, line 2", "a.csv, line 3", "b.csv, line 2", "b.csv, line 3",
    ]  # fmt: skip
    other = raw({**ARMS, "ppl": ["1", "2"]}, "c.csv")
    with pytest.raises(UserError, match=r"c\.csv: no column loss"):
        measurements([*files, other], Choice(["loss"]))
    with pytest.raises(UserError, match="no column of numbers that all files have"):
        measurements([*files, other], Choice())


def test_with_steps_a_file_is_a_run() -> None:
    table: dict[str, list[Any]] = {
        "arm": ["main", "main"], "step": ["1", "2"], "loss": ["3", "2"],
    }  # fmt: skip
    found = measurements([raw(table, "a.csv"), raw(table, "b.csv")], Choice(["loss"]))
    assert found.runs["run"].tolist() == ["a.csv", "b.csv"]


def test_runs_of_one_name_are_told_apart() -> None:
    found = read({"run": ["x", "x"], **ARMS, "loss": ["1", "2"]}, "loss")
    assert found.runs["run"].tolist() == ["x (f.csv, line 2)", "x (f.csv, line 3)"]


def test_half_a_character_in_a_name_can_be_written() -> None:
    found = read({"arm": ["main", "a\ud800"], "loss": ["1", "2"]}, "loss")
    assert found.arms == ["main", "a\\ud800"]


def test_a_table_without_rows_is_an_error() -> None:
    with pytest.raises(UserError, match="no run in it"):
        read({"arm": [], "loss": []}, "loss")
