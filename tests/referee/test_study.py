"""The study's own verdicts are those of its tables, also while it runs."""

from __future__ import annotations

from typing import Any

from noiseband.analysis.tables import write_tables
from noiseband.referee.study import of_study, of_tables
from noiseband.study.table_params import TablesParams
from tests.report.test_partial import finish_three, study  # noqa: F401 (a fixture)
from tests.small_study import write_study


def test_of_a_finished_study_both_are_equal(tmp_path: Any) -> None:
    params = TablesParams.model_validate(
        {name: getattr(write_study(tmp_path), name) for name in TablesParams.model_fields}
    )
    write_tables(params, tmp_path)
    found = of_tables(tmp_path, params)
    assert len(found.verdicts) >= 8
    assert "remove-dropout" in str(found) and not found.notes


def test_a_study_that_runs_has_the_verdicts_of_what_is_finished(study: Any) -> None:  # noqa: F811
    finish_three(study)
    found = of_study(study)
    (verdict,) = (one for one in found.verdicts if one.arm == "clip")
    assert verdict.runs == 1 and verdict.effect is not None and verdict.effect < -0.4
    assert f"3 of {len(study.runs)} runs are finished" in found.notes[0]
    assert "2 runs, mean 5.005" in str(found)
