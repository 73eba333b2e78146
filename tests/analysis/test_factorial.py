"""A factorial study with known effects, in the table, chart and sentences."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from noiseband.analysis.rows import FactorialRow, StackRow, VerdictRow
from noiseband.analysis.tables import write_tables
from noiseband.io.tables import read_rows
from noiseband.report.figures.write import write_figures
from noiseband.report.page import write_report
from noiseband.study.table_params import ReportParams
from tests.fake_runs import FakeRun
from tests.pages import Made
from tests.small_study import MACHINES, write_study

ALONE = {"clip": -0.04, "decay": 0.0, "dropout": -0.1}
KEYS = {
    "clip": "optimizer.clip_norm",
    "decay": "optimizer.weight_decay",
    "dropout": "model.dropout",
}
TOGETHER = 0.06
"""How far clip and dropout together fall short of the sum of their effects."""
SCATTER = [0.001, -0.002, 0.002, -0.001]


def loss(on: tuple[str, ...]) -> float:
    return 5.0 + sum(ALONE[name] for name in on) + TOGETHER * ({"clip", "dropout"} <= set(on))


def runs_of(sets: list[tuple[str, ...]]) -> list[FakeRun]:
    return [
        FakeRun(
            f"{'+'.join(on) or 'baseline'}-{seed}",
            loss(on) + SCATTER[(seed + len(on)) % 4],
            "+".join(on) or "baseline",
            on,
            (seed, seed),
            {KEYS[name]: [None, 0.5] for name in on},
        )
        for on in sets
        for seed in (1, 2)
    ]


ALL = [on for size in range(4) for on in combinations(ALONE, size)]


@pytest.fixture
def study(tmp_path: Path) -> ReportParams:
    params = write_study(tmp_path, runs_of(ALL), steps=40, models=[], noise={}, factors=list(ALONE))
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    return params


def test_effects_are_those_put_in(study: ReportParams, tmp_path: Path) -> None:
    rows = {row.effect: row for row in read_rows(tmp_path / "tables/factorial.csv", FactorialRow)}
    assert list(rows) == [
        "clip", "decay", "dropout", "clip × decay", "clip × dropout", "decay × dropout",
    ]  # fmt: skip
    # A main effect is an average over the others, which are on in half of the runs.
    assert rows["clip"].estimate == pytest.approx(-0.04 + TOGETHER / 2, abs=0.002)
    assert rows["dropout"].estimate == pytest.approx(-0.1 + TOGETHER / 2, abs=0.002)
    assert rows["clip × dropout"].estimate == pytest.approx(TOGETHER / 2, abs=0.002)
    assert rows["dropout"].verdict == "helps"
    assert rows["clip × dropout"].verdict == "hurts"
    assert rows["decay"].verdict == "within noise"
    assert rows["clip"].factors == ("clip",)


def test_mixed_runs_are_judged_by_the_design_alone(study: ReportParams, tmp_path: Path) -> None:
    verdicts = read_rows(tmp_path / "tables/verdicts.csv", VerdictRow)
    assert [row.intervention for row in verdicts] == ["clip", "decay", "dropout"]


def test_a_stack_is_predicted_by_its_interactions(study: ReportParams, tmp_path: Path) -> None:
    rows = {row.stack: row for row in read_rows(tmp_path / "tables/stacks.csv", StackRow)}
    assert set(rows) == {"clip+decay", "clip+dropout", "decay+dropout", "clip+decay+dropout"}
    both = rows["clip+dropout"]
    assert both.predicted == pytest.approx(-0.14, abs=0.004)
    assert both.difference == pytest.approx(TOGETHER, abs=0.006)
    assert both.interactions == pytest.approx(TOGETHER, abs=0.004)
    assert both.interactions_low is not None
    assert both.interactions_low > 0


def test_the_page_shows_the_design(study: ReportParams, tmp_path: Path) -> None:
    write_report(study, tmp_path, MACHINES, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "All 8 sets of 3 changes were run." in page
    assert "In a factorial design of 3 changes (8 sets), clip" in page
    assert "They are a family of their own" in page
    assert "lower the test loss on average over the others; 1 two-way interaction" in page
    chart = (tmp_path / "figures/pareto.svg").read_text()
    assert chart.index("<title>dropout: helps") < chart.index("<title>decay: within noise")


def test_a_fraction_says_what_it_cannot_tell(tmp_path: Path) -> None:
    half = [(), ("clip", "decay"), ("clip", "dropout"), ("decay", "dropout")]
    runs = [run for run in runs_of(half) if run.name != "clip+dropout-2"]
    params = write_study(tmp_path, runs, steps=40, models=[], noise={}, factors=list(ALONE))
    params = params.model_copy(update={"fraction": 1})
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    rows = read_rows(tmp_path / "tables/factorial.csv", FactorialRow)
    assert [row.effect for row in rows] == ["clip", "decay", "dropout"]
    assert all(len(row.aliases) == 1 for row in rows)
    write_report(params, tmp_path, MACHINES, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "4 of the 8 sets of 3 changes were run, a fraction of resolution III." in page
    assert "Defining relation: I = −ABC" in page
    assert "aliased with" in page


def test_a_failed_run_is_named(tmp_path: Path) -> None:
    runs = [run for run in runs_of(ALL) if not run.name.startswith("clip+decay-")]
    params = write_study(tmp_path, runs, steps=40, models=[], noise={}, factors=list(ALONE))
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    write_report(params, tmp_path, MACHINES, tmp_path / "report.html")
    assert "No finite value so far: clip + decay." in (tmp_path / "report.html").read_text()


def test_a_study_without_a_design_has_no_such_section(made: Made) -> None:
    assert 'id="factorial"' not in made.page
    assert read_rows(made.results / "tables/factorial.csv", FactorialRow) == []
