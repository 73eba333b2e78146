"""One finished study for all tests that only look at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from noiseband.analysis.tables import write_tables
from noiseband.published.comparison import write_comparison
from noiseband.report.figures.write import write_figures
from noiseband.report.page import write_report
from noiseband.study.table_params import ReportParams
from tests.fake_runs import FakeRun
from tests.report import hostile_text as hostile
from tests.small_study import MACHINES, write_study


@dataclass(frozen=True)
class Made:
    """A study with its tables, figures and page."""

    results: Path
    params: ReportParams

    @property
    def page(self) -> str:
        return (self.results / "report.html").read_text(encoding="utf-8")


def make(results: Path, params: ReportParams) -> Made:
    """Tables, figures and page of a study on disk."""
    write_tables(params, results)
    write_comparison(params, results)
    write_figures(params, results)
    write_report(params, results, MACHINES, results / "report.html")
    return Made(results, params)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The pocket-like study of twenty-four runs."""
    results = tmp_path_factory.mktemp("pocket") / "results"
    return make(results, write_study(results))


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A study whose runs, questions, samples, answers and title are all hostile."""
    results = tmp_path_factory.mktemp("hostile") / "results"
    runs = [
        FakeRun("baseline-42", 5.0),
        FakeRun("baseline-22", 5.1, seeds=(22, 22)),
        FakeRun(hostile.RUN_NAME, 4.0, hostile.RUN_NAME, [hostile.RUN_NAME, "x"], (1, 1),
                {"attention": ["explicit", hostile.SCRIPT]}),
        FakeRun(hostile.FORMULA, 4.9, hostile.FORMULA, [hostile.FORMULA], (1, 1)),
        FakeRun(f"{hostile.RUN_NAME} again", 5.0, repeat_of="baseline-42"),
    ]  # fmt: skip
    params = write_study(
        results,
        runs,
        steps=20,
        models=[f"{run.name}/alpaca/42" for run in runs],
        answers=hostile.ALL,
        questions=[(text, text, text) for text in hostile.ALL],
        samples=hostile.ALL,
        title=hostile.SCRIPT + hostile.CLOSING,
        noise={"init_and_train": [[42, 42], [22, 22]]},
    )
    return make(results, params)
