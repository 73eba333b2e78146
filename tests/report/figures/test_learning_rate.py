"""The chart of learning rates has each distinct schedule once, those of Muon's matrices too."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noiseband.analysis.traces import Trace, read_trace
from noiseband.io.traces import Row, write_trace
from noiseband.report.figures.learning_rate import draw_learning_rate
from noiseband.report.figures.training import Line, Training

STEPS = 10


def trace(folder: Path, rate: float, muon: float | None) -> Trace:
    rows = [Row(step, 2.0, rate, 1.0, False, False, 0, muon) for step in range(STEPS)]
    folder.mkdir()
    write_trace(folder / "trace.parquet", rows)
    return read_trace(folder / "trace.parquet")


def test_a_rate_of_muons_own_is_a_dashed_line(tmp_path: Path) -> None:
    rates = {"baseline": (0.1, None), "muon": (0.1, 0.02), "same": (0.3, 0.3)}
    groups = {
        name: (Line(n, f"{name}-1", name, "#123456", trace(tmp_path / name, *pair), True, False),)
        for n, (name, pair) in enumerate(rates.items())
    }
    figure = draw_learning_rate(Training(groups, {}))
    (axes,) = figure.axes
    drawn = [(line.get_linestyle(), float(np.asarray(line.get_ydata())[0])) for line in axes.lines]
    assert sorted(drawn) == [("-", 0.1), ("-", 0.3), ("--", 0.02)]
    labels = {text.get_text() for text in axes.texts}
    assert labels == {"baseline and 1 more", "muon, Muon", "same"}
