"""Averages of weights, compared with the final weights of the same runs, and between arms."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

from noiseband.analysis.rows import AverageRow, MeasurementRow, MetricVerdictRow
from noiseband.analysis.tables import write_tables
from noiseband.io.files import read_json, write_json
from noiseband.io.tables import read_rows
from noiseband.stats.verdicts import Call
from noiseband.study.metrics import of_averages
from noiseband.study.paths import Paths
from noiseband.study.table_params import ReportParams
from tests.metrics_study import CLOZE, LOSSES, RATE, TEST_LOSS, study
from tests.pages import make
from tests.report.test_page import words_of

GAINS = {"ema": [0.030, 0.031, 0.029], "bad": [-0.2, -0.21, -0.2]}
"""By how much the loss of each average is below that of the final weights, by seed."""


@pytest.fixture
def params(tmp_path: Path) -> ReportParams:
    """A study whose runs have two averages each; `up` gains three times as much."""
    own = [TEST_LOSS, CLOZE, RATE]
    made = study(tmp_path, *own, *of_averages(own, GAINS, ["cloze"]))
    for run in made.runs:
        arm, seed = run.rsplit("-", 1)
        for name, gains in GAINS.items():
            folder = Paths(tmp_path).average(run, name)
            loss = read_json(tmp_path / "runs" / run / "test_loss.json")
            gain = gains[int(seed) - 1] * (3.0 if arm == "up" else 1.0)
            loss["test_loss"] = LOSSES[arm][int(seed) - 1] - gain
            write_json(folder / "test_loss.json", loss)
            write_json(folder / "model.json", {"sha256": f"{run} {name}", "tensors": {}})
            accuracy = {"value": 0.5, "standard_error": 0.1, "n": 9}
            write_json(folder / "evaluations/cloze.json", {"metrics": {"accuracy": accuracy}})
    return made.model_copy(update={"averages": list(GAINS)})


def test_an_average_is_judged_against_the_final_weights(
    params: ReportParams, tmp_path: Path
) -> None:
    write_tables(params, tmp_path)
    rows = read_rows(tmp_path / "tables/averages.csv", AverageRow)
    metrics = dict.fromkeys(row.metric for row in rows)
    assert list(metrics) == ["test_loss", "cloze.accuracy"]  # a speed is not one of weights
    found = {(row.arm, row.intervention): row for row in rows if row.metric == "test_loss"}
    assert found["baseline", "ema"].verdict == found["up", "ema"].verdict == Call.HELPS
    assert found["baseline", "bad"].verdict == Call.HURTS
    assert found["baseline", "ema"].effect == pytest.approx(-0.03)
    assert found["up", "ema"].effect == pytest.approx(-0.09)
    ema = found["baseline", "ema"]
    assert ema.runs == 3
    # Its own interval is that of a paired t-test, with Sidak's correction for two averages.
    level = 1 - (1 - params.alpha) ** 0.5
    pairs = stats.ttest_1samp([-gain for gain in GAINS["ema"]], 0)
    low, high = pairs.confidence_interval(1 - level)
    assert (ema.own_low, ema.own_high) == pytest.approx((low, high))


def test_averages_are_compared_between_arms(params: ReportParams, tmp_path: Path) -> None:
    write_tables(params, tmp_path)
    measured = read_rows(tmp_path / "tables/measurements.csv", MeasurementRow)
    values = {(row.run, row.metric): row.value for row in measured}
    assert values["up-1", "ema.test_loss"] == pytest.approx(5.1 - 0.09)
    assert values["up-1", "ema.cloze.accuracy"] == 0.5
    rows = read_rows(tmp_path / "tables/metric-verdicts.csv", MetricVerdictRow)
    found = {(row.metric, row.intervention): row for row in rows}
    up = sum(LOSSES["up"]) / 3 - sum(LOSSES["baseline"]) / 3
    assert found["ema.test_loss", "up"].effect == pytest.approx(up - 0.06)


def test_the_page_says_whether_they_help(params: ReportParams, tmp_path: Path) -> None:
    text = words_of(make(tmp_path, params).page)
    section = text[text.index("Do averaged weights help?") :]
    assert "test_loss baseline ema helps" in section
    assert "\N{MINUS SIGN}0.030" in section
