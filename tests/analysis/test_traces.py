"""Down-sampling keeps means and spikes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.analysis.traces import binned, edges, final_loss, read_trace, segments, spikes
from noiseband.io.traces import Row, write_trace


def test_a_spike_is_far_beyond_what_is_usual() -> None:
    values = np.tile([1.0, 2.0, 3.0], 40)
    assert not spikes(binned(values, 30)).any()
    values[61] = 9.0
    far = spikes(binned(values, 30))
    assert far.nonzero()[0].tolist() == [15]
    assert not spikes(binned(np.full(5, np.nan), 2)).any()


@given(st.integers(1, 500), st.integers(1, 60))
def test_segments_cover_every_step_once(steps: int, bins: int) -> None:
    cuts = edges(steps, bins)
    assert (cuts[0], cuts[-1]) == (0, steps)
    assert len(cuts) - 1 == min(steps, bins)
    assert (np.diff(cuts) >= 1).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 40))
def test_extremes_survive(values: list[float], bins: int) -> None:
    series = binned(np.array(values), bins)
    assert (series.low.min(), series.high.max()) == (min(values), max(values))
    assert (series.low <= series.high).all()


def test_a_spike_of_one_step_in_33165_stays() -> None:
    values = np.ones(33_165)
    values[20_001] = 50.0
    series = binned(values, 100)
    assert len(series) == 100
    assert series.high.max() == 50.0


def test_values_that_are_not_finite_do_not_count() -> None:
    series = binned(np.array([1.0, math.inf, 3.0, math.nan]), 2)
    assert series.mean.tolist() == [1.0, 3.0]
    assert math.isnan(binned(np.array([math.nan]), 1).mean[0])


def test_marks_become_joined_segments() -> None:
    marks = np.zeros(100, dtype=bool)
    marks[[0, 12, 13, 99]] = True
    assert segments(marks, 10) == [(0, 20), (90, 10)]
    assert segments(marks, 100) == [(0, 1), (12, 2), (99, 1)]


def rows(losses: list[float]) -> list[Row]:
    return [Row(k, loss, 0.1, 1.0, False, k == 2, 0) for k, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "expected"), [([9.0, 4.0], 4.0), ([9.0] * 38 + [1.0, 2.0], 1.5)]
)
def test_the_final_loss_is_the_mean_of_the_last_twentieth(
    tmp_path: Path, losses: list[float], expected: float
) -> None:
    write_trace(tmp_path / "trace.parquet", rows(losses))
    assert final_loss(read_trace(tmp_path / "trace.parquet")) == expected


def test_a_trace_is_read_as_written(tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.parquet", rows([3.0, 2.0, 1.0]))
    trace = read_trace(tmp_path / "trace.parquet")
    assert trace.loss.tolist() == [3.0, 2.0, 1.0]
    assert trace.skipped.tolist() == [False, False, True]
