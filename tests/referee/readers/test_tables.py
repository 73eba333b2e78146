"""Tables in CSV: cells as they are written, and each mistake with its line."""

from __future__ import annotations

import csv
import io
import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from noiseband.referee.readers import read
from tests.referee.readers.files import cells, only, written

NAME = "losses.csv"
TABLE = "arm,seed,loss\nbase,1,3.2810\nwide,1,3.25\n"


PLAIN = [["arm", "seed", "loss"], ["base", "1", "3.2810"], ["wide", "1", "3.25"]]


@pytest.mark.parametrize(
    "content",
    [
        TABLE,
        TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\n\n"),
        TABLE.rstrip("\n"),
        "\ufeff" + TABLE,
        ("\ufeff" + TABLE).encode("utf-16-le"),
        '"arm","seed","loss"\n"base","1","3.2810"\nwide,1,"3.25"\n',
    ],
)
def test_a_table_is_the_same_however_it_is_written(tmp_path: Path, content: str | bytes) -> None:
    assert cells(only(written(tmp_path, content, NAME))) == PLAIN


def test_cells_stay_text_and_an_empty_one_is_none(tmp_path: Path) -> None:
    raw = only(written(tmp_path, 'arm,seed,loss\n"a, b\nc",042,\nNA,1e3,nan\n', NAME))
    assert cells(raw)[1:] == [["a, b\nc", "042", None], ["NA", "1e3", "nan"]]
    assert list(raw.table.index) == [2, 4]
    assert raw.place(4).endswith("losses.csv, line 4")


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TABLE.encode())))
    raw = only("-")
    assert cells(raw) == PLAIN
    assert raw.place(2) == "standard input, line 2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty, no run in it"),
        ("\n \n", "empty, no run in it"),
        ("arm,loss\n", "a header only, and no run in it"),
        ("arm,loss\na,1\nb,2,3\n", "line 3: 3 cells, but the header has 2 columns"),
        ("arm,loss\na,1\nb\n", "line 3: 1 cells, but the header has 2 columns"),
        ("arm,loss,arm\na,1,2\n", "line 1: two columns are named arm"),
        (",arm,loss\n0,a,1\n", "line 1: column 1 has no name; name it, or .*index=False"),
        ('arm,loss\na,"1\n', "line 2: no table in CSV"),
        ("step 1: loss 3.2\n", "line 1: no table, .*--pattern"),
        (b"arm,loss\n\xe9,1\n", "line 2: not UTF-8; save the file as UTF-8"),
        (bytes(range(1, 32)) * 9, "of no known kind"),
        (TABLE.encode("utf-16-le"), "UTF-16 .*without a byte order mark"),
    ],
)
def test_each_mistake_is_told_with_its_line(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(UserError, match=rf"losses\.csv.*{message}") as told:
        read(written(tmp_path, content, NAME))
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.csv: no such file"):
        read(str(tmp_path / "none.csv"))
    with pytest.raises(UserError, match=r"'a.+b': no name of a file"):
        read("a\0b")
    with pytest.raises(UserError, match="mem: cannot be read"):
        read("/proc/self/mem")


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    with open(theirs, "w") as end:
        end.write(TABLE)
    assert cells(only(f"/dev/fd/{ours}")) == PLAIN
    os.close(ours)


def test_ten_thousand_rows_take_less_than_half_a_second(tmp_path: Path) -> None:
    rows = "".join(f"arm{n % 7},{n},{n / 7!r},text {n}\n" for n in range(10_000))
    file = written(tmp_path, f"arm,seed,loss,note\n{rows}", NAME)
    start = time.process_time()
    raw = only(file)
    assert time.process_time() - start < 0.5
    assert raw.table.loc[10_001, "loss"] == repr(9_999 / 7)


NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))


@settings(max_examples=40)
@given(
    st.lists(NUMBERS, min_size=2, max_size=6),
    st.sampled_from(["{!r}", "{:.6f}", "{:.17e}", "{:+.9f}", " {!r} "]),
    st.text(st.characters(categories=("L", "N"), include_characters=',;\t" \r\n'), max_size=8),
    st.sampled_from(",;\t"),
)
def test_neither_format_nor_other_columns_change_a_value(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[float],
    form: str,
    extra: str,
    delimiter: str,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["note", "arm", "loss", "other"])
    for number, value in enumerate(values):
        writer.writerow([extra, "base", form.format(value), number])
    raw = only(written(tmp_path_factory.getbasetemp(), text.getvalue(), NAME))
    found = measurements([raw], Choice()).runs
    assert found["loss"].tolist() == values
    assert raw.table["note"].tolist() == [extra or None] * len(values)
