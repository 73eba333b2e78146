"""One finished study for all tests that only look at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from noiseband.report.figures import write_figures
from noiseband.report.page import write_report
from noiseband.report.tables import write_tables
from noiseband.study.params import ReportParams
from tests.report.small_study import MACHINES, write_study


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
    write_figures(params, results)
    write_report(params, results, MACHINES, results / "report.html")
    return Made(results, params)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The pocket-like study of twenty-four runs."""
    results = tmp_path_factory.mktemp("pocket") / "results"
    return make(results, write_study(results))
