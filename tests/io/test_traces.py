"""A trace file contains every step to the bit, or is reported as damaged."""

from __future__ import annotations

import errno
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseband.analysis import traces
from noiseband.errors import UserError
from noiseband.io.traces import Row, first_different_row, read_rows, read_table, table, write_trace

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
LONG = st.integers(-(2**63), 2**63 - 1)
ROWS = st.lists(
    st.builds(Row, LONG, NUMBERS, NUMBERS, NUMBERS, st.booleans(), st.booleans(), LONG),
    min_size=1,
    max_size=40,
)


@settings(max_examples=50)
@given(ROWS)
def test_any_rows_come_back_to_the_bit_and_can_be_drawn(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    write_trace(path, rows)
    assert first_different_row(rows, read_rows(path)) is None
    trace = traces.read_trace(path)
    last = [row.loss for row in rows[-max(1, round(len(rows) / 20)) :]]
    final = traces.final_loss(trace)
    if all(map(math.isfinite, last)):
        assert min(last) <= final <= max(last) or len(last) > 1
    else:
        assert math.isnan(final)
    for column in (trace.loss, trace.gradient_norm):
        cut = traces.binned(column, 7)
        finite = column[np.isfinite(column)]
        assert set(finite[[finite.argmin(), finite.argmax()]] if len(finite) else []) <= {
            *cut.low,
            *cut.high,
        }
        assert len(traces.spikes(cut)) == len(cut)
    marked = sum(length for _, length in traces.segments(trace.skipped, 7))
    assert trace.skipped.sum() <= marked <= len(rows)


GOOD = [Row(step, 1.0, 0.1, 2.0, False, False, 5) for step in range(3)]
FOREIGN = {
    "bytes": b"PAR1 and no more",
    "nothing": b"",
    "another table": pa.table({"a": [1]}),
    "a column less": table(GOOD).drop_columns(["loss"]),
    "a column more": table(GOOD).append_column("x", pa.array([1, 2, 3])),
    "another type": table(GOOD).set_column(1, "loss", pa.array(["a", "b", "c"])),
    "a gap": table(GOOD).set_column(1, "loss", pa.array([1.0, None, 2.0])),
    "no step": table([]),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_no_trace_is_named(tmp_path: Path, content: bytes | pa.Table) -> None:
    path = tmp_path / "trace.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(content, path)
    for read in (read_rows, read_table):
        with pytest.raises(UserError, match=r"trace.*; make it again") as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_a_disk_that_fails_says_nothing_of_the_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rm` would be the wrong remedy, because the content of the file may be intact."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "trace.parquet")

    write_trace(tmp_path / "trace.parquet", GOOD)
    monkeypatch.setattr(pq, "read_table", fail)
    with pytest.raises(OSError) as caught:
        read_rows(tmp_path / "trace.parquet")
    assert caught.value.errno == errno.EIO


@settings(max_examples=30)
@given(st.data())
def test_a_damaged_trace_is_named_or_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A byte is changed or the end is cut off. Without a checksum, some values can change
    unnoticed, but the result is always a valid trace."""
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    write_trace(path, GOOD)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    path.write_bytes(content)
    try:
        rows = read_rows(path)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert all(len(fields(row)) == 7 and row.loss is not None for row in rows)
