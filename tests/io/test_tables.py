"""Tables on disk are read back exactly as they were written."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.analysis.rows import StackRow, VerdictRow
from noiseband.analysis.tuning_rows import EpochRow
from noiseband.errors import UserError
from noiseband.io.tables import read_cells, read_rows, write_rows

STACK = StackRow(
    stack="both",
    parts=("a", "b"),
    missing_parts=(),
    predicted=0.1 + 0.2,
    got=-1e-300,
    difference=None,
    low=None,
    high=None,
    p_value=5e-324,
    se=None,
    degrees_of_freedom=None,
    interactions=0.25,
    interactions_low=None,
    interactions_high=None,
)


def test_rows_come_back_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "stacks.csv"
    hostile = replace(STACK, stack='a,"b"\nc\rd', parts=("NA", "nan", "null"), p_value=math.inf)
    write_rows(path, StackRow, [STACK, hostile])
    assert read_rows(path, StackRow) == [STACK, hostile]


def test_the_file_is_plain_csv(tmp_path: Path) -> None:
    path = tmp_path / "epochs.csv"
    write_rows(path, EpochRow, [EpochRow("r", "p", 42, 1, 1 / 3, None, True)])
    assert path.read_bytes() == (
        b"run,protocol,seed,epoch,train_loss,validation_loss,best\n"
        b"r,p,42,1,0.3333333333333333,,true\n"
    )


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stacks.csv"
    write_rows(path, StackRow, [STACK])
    with pytest.raises(UserError, match=r"stacks\.csv: not a table of VerdictRow"):
        read_rows(path, VerdictRow)


def test_a_missing_table_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"runs\.csv is not there yet; make it: noiseband run"):
        read_rows(tmp_path / "runs.csv", VerdictRow)


TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "'", "''=", "=HYPERLINK(A1)"]
)
PARTS = st.lists(TEXT.filter(lambda text: text and ";" not in text), max_size=3).map(tuple)


@given(TEXT, PARTS, st.floats(allow_nan=False) | st.none())
def test_text_comes_back_and_is_no_formula(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    parts: tuple[str, ...],
    number: float | None,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    row = replace(STACK, stack=text, parts=parts, predicted=number)
    write_rows(path, StackRow, [row])
    assert read_rows(path, StackRow) == [row]
    stack, cell, *_ = read_cells(path)[1]
    assert not stack.startswith(tuple("=+-@\t\r"))
    assert not cell.startswith(tuple("=+-@\t\r"))
    # Numbers are still numbers, including negative ones.
    assert read_cells(path)[1][3] == ("" if number is None else repr(number))
