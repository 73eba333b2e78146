"""Tables on disk: what is written is what is read, to the bit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.report.rows import StackRow, VerdictRow
from noiseband.report.tuning_rows import EpochRow
from noiseband.table import read_rows, write_rows

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
    with pytest.raises(UserError, match=r"runs\.csv is not there yet; make it: snakemake"):
        read_rows(tmp_path / "runs.csv", VerdictRow)
