"""A non-finite number in any input file of the tables gives an error or a missing number."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noiseband.analysis.rows import RunRow
from noiseband.analysis.tables import write_tables
from noiseband.errors import UserError
from noiseband.io.files import write_text
from noiseband.io.tables import read_rows
from noiseband.io.traces import Row, write_trace
from noiseband.study.table_params import ReportParams
from tests.fake_runs import CLIPPING, FakeRun
from tests.pages import make
from tests.report.test_page import words_of
from tests.small_study import write_study

RUNS = [
    *(FakeRun(f"baseline-{seed}", 5.0 + seed / 100, seeds=(seed, seed)) for seed in (1, 2, 3)),
    FakeRun("clip-1", 4.9, "clip", ["clip"], (1, 1), CLIPPING),
    FakeRun("clip-2", 4.92, "clip", ["clip"], (2, 2), CLIPPING),
]
FILES = (
    "runs/clip-2/recipe.json",
    "runs/gpt2/test_loss.json",
    "runs/clip-2/ift/alpaca/1/epochs.json",
    "judge/alpaca/round-1.jsonl",
    "contamination/pocket*.json",
    "contamination/questions~alpaca~*.json",
)
"""The input files of the tables, except the test loss of a run."""
LOSS = "runs/clip-2/test_loss.json"
WRITTEN = ("NaN", "Infinity", "-Infinity", "1e999")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportParams, Path]:
    results = tmp_path_factory.mktemp("study") / "results"
    models = [f"{run.name}/alpaca/{seed}" for run in RUNS for seed in (1, 2)]
    noise = {"init_and_train": [[1, 1], [2, 2], [3, 3]]}
    given: dict[str, Any] = {"pretrained": {"gpt2": 4.0}, "noise": noise}
    return write_study(results, RUNS, steps=20, models=models, **given), results


def tables(params: ReportParams, results: Path) -> dict[str, str]:
    write_tables(params, results)
    return {path.name: path.read_text() for path in sorted((results / "tables").glob("*.csv"))}


def kinds(text: str) -> Iterator[str]:
    """The text with one number replaced by `@`, once for each key that has numbers."""
    seen = set()
    for found in re.finditer(r'"([^"]+)": (?:\[\s*)?(-?\d[\d.e-]*)', text):
        if found[1] not in seen:
            seen.add(found[1])
            yield text[: found.start(2)] + "@" + text[found.end(2) :]


@pytest.mark.parametrize("name", FILES)
def test_what_noiseband_never_writes_is_told(study: tuple[ReportParams, Path], name: str) -> None:
    params, results = study
    (path,) = results.glob(name)
    kept = path.read_text()
    poisoned = [one.replace("@", written) for one in kinds(kept) for written in WRITTEN[::3]]
    assert len(poisoned) >= 4
    try:
        for text in poisoned:
            write_text(path, text)
            with pytest.raises(UserError, match=r"is not a finite number.*make it again") as caught:
                write_tables(params, results)
            assert str(path) in str(caught.value)
    finally:
        write_text(path, kept)


@pytest.mark.parametrize("written", WRITTEN)
def test_a_test_loss_that_is_not_finite_is_a_run_without_one(
    study: tuple[ReportParams, Path], written: str
) -> None:
    """Every table equals that for an unknown loss, except the run's own cell."""
    params, results = study
    path = results / LOSS
    kept = path.read_text()
    data = json.loads(kept)
    try:
        found = []
        for value in (None, "@"):
            poisoned = {**data, "test_loss": value, "bits_per_byte": value}
            for segment in poisoned["by_position"]:
                segment["loss"] = value
            write_text(path, json.dumps(poisoned).replace('"@"', written))
            found.append(tables(params, results))
    finally:
        write_text(path, kept)
    unknown, known = found
    own = next(line for line in known["runs.csv"].splitlines() if line.startswith("clip-2,"))
    assert own.split(",")[8:11] == ["nan", "", "nan"]
    known["runs.csv"] = known["runs.csv"].replace(own, own.replace("nan", ""))
    known["measurements.csv"] = known["measurements.csv"].replace(",nan,", ",,")
    assert known == unknown
    assert "clip-2" not in known["positions.csv"]


def test_the_page_of_a_baseline_without_a_loss_has_no_number_from_it(tmp_path: Path) -> None:
    runs = [FakeRun("baseline-1", float("inf"), seeds=(1, 1)), *RUNS[1:]]
    params = write_study(tmp_path, runs, steps=20, models=[], noise={})
    text = words_of(make(tmp_path, params).page)
    assert "not finite" in text
    assert not re.search(r"(?i)\b(nan|inf|infinity)\b", text)


def test_a_trace_of_any_numbers_can_be_drawn(tmp_path: Path) -> None:
    """Every finite float32 value is allowed in a step: figures and page are made."""
    largest, least, nan, inf = 3.4e38, 1e-45, math.nan, math.inf
    values = [[nan] * 60, [inf, -inf] * 30, [largest, -largest] * 30, [least, largest] * 30]
    params = write_study(tmp_path, RUNS, steps=60, models=[], noise={})
    for run, numbers in zip(RUNS, values, strict=False):
        rows = [Row(n, value, 0.1, value, False, False, n) for n, value in enumerate(numbers)]
        write_trace(tmp_path / "runs" / run.name / "trace.parquet", rows)
    made = make(tmp_path, params)
    final = [row.final_train_loss for row in read_rows(tmp_path / "tables/runs.csv", RunRow)]
    expected = [nan, nan, -largest / 3, 2 * largest / 3]
    assert final[:4] == pytest.approx(expected, nan_ok=True)
    assert made.page.count("<svg") >= 5
