"""Published losses compared with reproduced ones, by the noise of machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from noiseband.analysis.rows import RunRow, StackRow, VerdictRow
from noiseband.analysis.tables import write_tables
from noiseband.io.files import write_json
from noiseband.io.tables import read_rows
from noiseband.published import data
from noiseband.published.comparison import (
    APPROXIMATE,
    BEYOND,
    MISSING,
    OTHER_SIZE,
    PRETRAINED,
    WITHIN,
    ComparisonRow,
    write_comparison,
)
from noiseband.report.views.published import comparison
from noiseband.study.table_params import ReportParams
from tests.fake_runs import BASELINES, FakeRun
from tests.page_tables import row_of
from tests.pages import Made, make
from tests.report.test_page import words_of
from tests.report.test_sanitize import Tags
from tests.small_study import write_study

NOT_DONE = "8xa100m40-weight-tying"
SHIFTS = {"8xa100m40-baseline": 0.01, "8xa100m40-qkv-bias": 0.5}
"""Differences of these runs; all others are as published."""


def series(results: Path, sized: bool = True) -> ReportParams:
    """Every published run but one, trained again, at the published size or a smaller one."""
    runs = [
        FakeRun(
            one.run,
            one.test_loss + SHIFTS.get(one.run, 0.0),
            _label(one),
            one.interventions or ((_label(one),) if _label(one) != "baseline" else ()),
            (one.init_seed or 42, one.train_seed or 42),
            {"optimizer.clip_norm": [None, 3.5]} if _label(one) != "baseline" else {},
            repeat_of="8xa100m40-baseline" if one.run == "8xa100m40-baseline-2" else None,
        )
        for one in data.runs()
        if one.role != "pretrained" and one.run != NOT_DONE
    ]
    pretrained = {one.run: one.test_loss for one in data.runs() if one.role == "pretrained"}
    params = write_study(results, runs, steps=20, models=[], noise={}, pretrained=pretrained)
    if sized:
        for name in [run.name for run in runs] + list(pretrained):
            _grow(results / "runs" / name)
    return params.model_copy(
        update={
            "published": True,
            "approximate": [one.run for one in data.runs() if one.role == "table-only"],
        }
    )


def _label(one: data.PublishedRun) -> str:
    return one.run if one.role == "table-only" else "+".join(one.interventions) or "baseline"


def _grow(folder: Path) -> None:
    """Mark a run's files as having the published size."""
    test = json.loads((folder / "test_loss.json").read_text())
    write_json(folder / "test_loss.json", {**test, "tokens": 19_660_800})
    if (card := folder / "pretrained.json").exists():
        write_json(card, {**json.loads(card.read_text()), "context": 1024})
        return
    recipe = json.loads((folder / "recipe.json").read_text())
    recipe["recipe"]["model"] |= {
        "vocabulary": 50257, "context": 1024, "width": 768, "heads": 12, "layers": 12,
    }  # fmt: skip
    recipe["recipe"]["data"]["train_tokens"] = 3_260_190_720
    write_json(folder / "recipe.json", recipe)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    results = tmp_path_factory.mktemp("series") / "results"
    return make(results, series(results))


def rows_of(made: Made) -> Mapping[str, ComparisonRow]:
    rows = read_rows(made.results / "tables/published.csv", ComparisonRow)
    return {row.run: row for row in rows}


def test_each_run_stands_beside_its_published_loss(made: Made) -> None:
    rows = rows_of(made)
    assert list(rows) == [one.run for one in data.runs()]
    assert all(row.published_loss == data.run(name).test_loss for name, row in rows.items())
    baseline = rows["8xa100m40-baseline"]
    assert (baseline.published_loss, baseline.test_loss) == (3.691526, 3.691526 + 0.01)
    assert baseline.difference == pytest.approx(0.01)
    assert (baseline.machine, baseline.part) == ("8xA100-40GB", "32a")


def test_a_difference_is_judged_by_the_published_machine_effect(made: Made) -> None:
    rows = rows_of(made)
    found = {row.finding for name, row in rows.items() if data.run(name).role == "series"}
    assert found == {WITHIN, BEYOND, MISSING}
    assert [name for name, row in rows.items() if row.finding == BEYOND] == ["8xa100m40-qkv-bias"]
    far, near = rows["8xa100m40-qkv-bias"], rows["8xa100m40-gradient-clipping"]
    assert far.low is not None and far.low > 0
    assert far.p_value is not None and far.p_value < 0.01
    assert near.p_value == pytest.approx(1.0)
    assert near.low is not None and near.high is not None
    assert near.low == pytest.approx(-near.high)
    # A single difference would have Student's 3.182 times 0.0170 times the root of two.
    assert near.high > 3.182 * 0.0170 * 2**0.5


def test_what_cannot_be_judged_has_no_interval(made: Made) -> None:
    rows = rows_of(made)
    for role, finding in (("table-only", APPROXIMATE), ("pretrained", PRETRAINED)):
        some = [row for name, row in rows.items() if data.run(name).role == role]
        assert {row.finding for row in some} == {finding}
        assert {row.difference for row in some} == {0.0}
        assert {(row.low, row.high, row.p_value) for row in some} == {(None, None, None)}
    missing = rows[NOT_DONE]
    assert (missing.finding, missing.test_loss, missing.difference) == (MISSING, None, None)


def test_runs_of_another_size_are_not_compared(tmp_path: Path) -> None:
    small = make(tmp_path, series(tmp_path, sized=False))
    rows = rows_of(small)
    assert {row.finding for row in rows.values()} == {OTHER_SIZE, MISSING}
    assert {row.difference for row in rows.values()} == {None}
    text = words_of(small.page)
    assert "In 30 runs, the model, training or test window is smaller" in text
    assert "degrees of freedom), so a run" not in text
    # Each of these alone makes a run one of another size.
    for name, change in {
        "8xa100m40-baseline": ("test_loss.json", "tokens", 80_000),
        "8xa100m40-baseline-3": ("recipe.json", "recipe.model.layers", 11),
        "8xa100m40-baseline-4": ("recipe.json", "recipe.data.train_tokens", 3_260_190_721),
        "8xa100m40-baseline-5": (None, None, None),
    }.items():
        folder = tmp_path / "runs" / name
        _grow(folder)
        file, key, value = change
        if file is not None and key is not None:
            whole = json.loads((folder / file).read_text())
            *sections, last = key.split(".")
            inner = whole
            for section in sections:
                inner = inner[section]
            inner[last] = value
            write_json(folder / file, whole)
    write_tables(small.params, tmp_path)
    write_comparison(small.params, tmp_path)
    compared = [row.run for row in rows_of(small).values() if row.difference is not None]
    assert compared == ["8xa100m40-baseline-5"]


def test_the_page_shows_them_and_names_the_missing(made: Made) -> None:
    text = words_of(made.page)
    assert "30 of the 31 published runs are in this study." in text
    assert "scatter over machines with an SD of 0.0170 nats (3 degrees of freedom)" in text
    assert "8xa100m40-qkv-bias differs by more; on average" in text
    assert f"Runs of the series that are missing here: {NOT_DONE}." in text
    row = row_of(made.page, "comparison-caption", "8xa100m40-baseline")
    assert row["Run"].endswith("8xA100-40GB, part 32a")
    assert (row["Published"], row["Reproduced"]) == ("3.691526", "3.701526")
    assert row["Difference"].startswith("+0.010000 ")
    tags = Tags(made.page)
    assert (tags.open, tags.unbalanced) == ([], [])


def test_no_inference_rests_on_approximate_runs(made: Made) -> None:
    tables = made.results / "tables"
    runs = {row.run: row for row in read_rows(tables / "runs.csv", RunRow)}
    assert runs["cloud-fineweb-8xh100m80"].residual is None
    assert runs["8xa100m40-baseline"].residual is not None
    verdicts = read_rows(tables / "verdicts.csv", VerdictRow)
    assert not {row.intervention for row in verdicts} & set(made.params.approximate)
    # As if they were not there.
    exact = [run for run in made.params.runs if run not in made.params.approximate]
    alone = made.params.model_copy(update={"runs": exact, "approximate": []})
    before = [(tables / f"{name}.csv").read_bytes() for name in ("verdicts", "noise", "stacks")]
    write_tables(alone, made.results)
    after = [(tables / f"{name}.csv").read_bytes() for name in ("verdicts", "noise", "stacks")]
    write_tables(made.params, made.results)
    assert before == after
    assert row_of(made.page, "runs-caption", "cloud-fineweb-8xh100m80")["Verdict"] == "approximate"
    assert read_rows(tables / "stacks.csv", StackRow)


def test_a_study_of_other_names_says_so(tmp_path: Path) -> None:
    params = write_study(tmp_path, BASELINES[:2], steps=20, models=[], noise={})
    found = make(tmp_path, params.model_copy(update={"published": True}))
    assert "No run of this study has the name of a published run" in words_of(found.page)
    assert {row.finding for row in rows_of(found).values()} == {MISSING}


def test_a_study_that_does_not_ask_for_it_has_no_table(tmp_path: Path) -> None:
    made = make(tmp_path, write_study(tmp_path, BASELINES[:2], steps=20, models=[], noise={}))
    assert not (made.results / "tables/published.csv").exists()
    assert "Published against reproduced" not in made.page


def test_sentences_count_what_is_there(made: Made) -> None:
    rows = list(rows_of(made).values())
    assert "No run differs by more" in " ".join(
        comparison([row for row in rows if row.finding != BEYOND]).sentences
    )
    two = [replace(row, finding=BEYOND) for row in rows if row.finding == WITHIN][:2]
    assert f"{two[0].run} and {two[1].run} differ by more" in " ".join(comparison(two).sentences)
