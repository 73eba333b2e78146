"""`noiseband report` on a study with all runs finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import NotMadeError
from noiseband.report import finished
from noiseband.study import Study, parse_study
from noiseband.study.artefacts import deterministic_artefacts, judged_artefacts
from noiseband.study.table_params import ReportParams

WRITERS = ("write_tables", "write_figures", "write_manifest", "write_report")


@pytest.fixture
def study(study_data: dict[str, Any], tmp_path: Path) -> Study:
    return parse_study({**study_data, "results": str(tmp_path / "results")})


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...]]]:
    """The functions called, in order; they write nothing."""
    calls: list[tuple[str, tuple[Any, ...]]] = []

    def record(name: str) -> None:
        monkeypatch.setattr(finished, name, lambda *given: calls.append((name, given)))

    for name in WRITERS:
        record(name)
    return calls


def test_it_makes_what_the_rules_make_in_their_order(
    study: Study, written: list[tuple[str, tuple[Any, ...]]], tmp_path: Path
) -> None:
    artefacts, judged = deterministic_artefacts(study), judged_artefacts(study)
    for path in (*artefacts, *judged):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    machines, out, params = tmp_path / "machines.yaml", tmp_path / "a.html", ReportParams.of(study)
    finished.write_finished(study, machines, out)
    assert written == [
        ("write_tables", (params, study.results)),
        ("write_figures", (params, study.results)),
        ("write_manifest", (study.results, artefacts, study.paths.manifest, judged)),
        ("write_report", (params, study.results, machines, out)),
    ]


def test_a_missing_file_is_named_before_the_manifest_is_written(
    study: Study, written: list[tuple[str, tuple[Any, ...]]], tmp_path: Path
) -> None:
    with pytest.raises(NotMadeError, match=str(deterministic_artefacts(study)[0])):
        finished.write_finished(study, tmp_path / "machines.yaml", tmp_path / "a.html")
    assert [name for name, _ in written] == ["write_tables", "write_figures"]
