"""What a study says about several metrics, from files as runs and evaluations write them."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import noiseband as nb
from noiseband.analysis.rows import MeasurementRow, MetricRow, MetricVerdictRow, RunRow, VerdictRow
from noiseband.analysis.tables import write_tables
from noiseband.io.files import read_json, write_json
from noiseband.io.tables import read_rows
from noiseband.study.metrics import NamedMetric
from tests.metrics_study import ACCURACY, CLOZE, RATE, TEST_LOSS, study


def tables(results: Path, *metrics: NamedMetric) -> Any:
    write_tables(study(results, *metrics), results)

    def read(kind: type, name: str) -> Any:
        return read_rows(results / "tables" / f"{name}.csv", kind)

    return read


def test_every_measurement_is_in_one_table(tmp_path: Path) -> None:
    read = tables(tmp_path, TEST_LOSS, CLOZE, RATE)
    rows = read(MeasurementRow, "measurements")
    assert [row.metric for row in rows if row.run == "up-2"] == [
        "test_loss",
        "bits_per_byte",
        "cloze.accuracy",
    ]
    assert MeasurementRow("up-2", "cloze.accuracy", 0.42, 0.02, 500) in rows
    # A speed would make the table differ from run to run.
    timed = read(MeasurementRow, "volatile-measurements")
    assert {row.metric for row in timed} == {"tokens_per_second"}
    assert [row.value for row in timed if row.run == "same-3"] == [152.0]


def test_each_metric_has_its_own_verdicts_in_its_own_direction(tmp_path: Path) -> None:
    read = tables(tmp_path, TEST_LOSS, CLOZE, RATE)
    first = {row.intervention: row for row in read(VerdictRow, "verdicts")}
    assert (first["up"].verdict, first["same"].verdict) == ("hurts", "identical")
    (up, same) = read(MetricVerdictRow, "metric-verdicts")
    assert (up.metric, up.verdict, same.verdict) == ("cloze.accuracy", "helps", "identical")
    assert up.effect == pytest.approx(0.1) and 0 < up.low < up.effect < up.high


def test_the_verdict_on_a_metric_is_that_of_the_referee(tmp_path: Path) -> None:
    """Another way to the same numbers: the measurements as a table of one's own."""
    read = tables(tmp_path, TEST_LOSS, CLOZE)
    (up, _) = read(MetricVerdictRow, "metric-verdicts")
    rows = [
        {"arm": arm, "seed": seed, "accuracy": value, "digest": f"{arm} {seed}"}
        for arm, values in ACCURACY.items()
        for seed, value in enumerate(values, 1)
    ]
    frame = pd.DataFrame(rows)
    equal = frame["arm"] == "same"
    frame.loc[equal, "digest"] = [f"baseline {seed}" for seed in frame.loc[equal, "seed"]]
    found = {one.arm: one for one in nb.verdicts(frame, metric="accuracy").verdicts}
    assert up.verdict == found["up"].verdict
    for name in ("effect", "low", "high", "p_value", "tipping_ratio"):
        assert getattr(up, name) == pytest.approx(getattr(found["up"], name), rel=1e-12), name


def test_equal_weights_may_differ_in_speed(tmp_path: Path) -> None:
    """A change that makes training faster and changes no bit helps, by its speed."""
    read = tables(tmp_path, TEST_LOSS, RATE)
    said = {row.intervention: row.verdict for row in read(MetricVerdictRow, "volatile-verdicts")}
    assert said == {"up": "within noise", "same": "helps"}


def test_another_metric_may_be_the_primary_one(tmp_path: Path) -> None:
    read = tables(tmp_path, CLOZE, TEST_LOSS)
    up, same = read(VerdictRow, "verdicts")
    assert (up.verdict, same.verdict) == ("helps", "identical")
    runs = {row.run: row for row in read(RunRow, "runs")}
    assert runs["up-2"].value == 0.42
    # Positive is better, whichever direction is.
    assert runs["up-2"].improvement == pytest.approx(0.12)
    (loss, _) = read(MetricVerdictRow, "metric-verdicts")
    assert (loss.metric, loss.verdict) == ("test_loss", "hurts")


def test_signal_to_noise_is_the_spread_of_arms_over_that_of_runs(tmp_path: Path) -> None:
    read = tables(tmp_path, TEST_LOSS, CLOZE)
    loss, cloze = read(MetricRow, "metrics")
    assert [one.metric for one in (loss, cloze)] == ["test_loss", "cloze.accuracy"]
    assert cloze.baseline_mean == pytest.approx(0.31)
    effects = [0.0, *(row.effect for row in read(MetricVerdictRow, "metric-verdicts"))]
    assert cloze.signal == pytest.approx(statistics.stdev(effects))
    assert cloze.signal_to_noise == pytest.approx(cloze.signal / cloze.residual_sd)


def test_a_run_without_a_value_keeps_its_arm_from_helping_by_that_metric(tmp_path: Path) -> None:
    params = study(tmp_path, TEST_LOSS, CLOZE)
    file = tmp_path / "runs/up-3/evaluations/cloze.json"
    write_json(file, {"metrics": {"accuracy": None}})
    write_tables(params, tmp_path)
    rows = read_rows(tmp_path / "tables/measurements.csv", MeasurementRow)
    (lost,) = [row for row in rows if (row.run, row.metric) == ("up-3", "cloze.accuracy")]
    assert lost.value is None or math.isnan(lost.value)
    (up, _) = read_rows(tmp_path / "tables/metric-verdicts.csv", MetricVerdictRow)
    assert (up.verdict, up.runs_without_value, up.runs) == ("not enough runs", ("up-3",), 2)


def test_a_speed_that_was_not_recorded_says_nothing(tmp_path: Path) -> None:
    params = study(tmp_path, TEST_LOSS, RATE)
    timing = read_json(tmp_path / "runs/same-3/timing.json") | {"tokens_per_second": None}
    write_json(tmp_path / "runs/same-3/timing.json", timing)
    write_tables(params, tmp_path)
    rows = read_rows(tmp_path / "tables/volatile-verdicts.csv", MetricVerdictRow)
    same = next(row for row in rows if row.intervention == "same")
    assert (same.runs, same.runs_without_value, same.verdict) == (2, (), "helps")
