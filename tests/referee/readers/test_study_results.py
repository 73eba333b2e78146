"""The results folder of a study, finished or running."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noiseband.analysis.tables import study_outcomes
from noiseband.errors import UserError
from noiseband.io.files import read_json, write_json
from noiseband.referee.columns import Choice, measurements
from noiseband.referee.judgement import judge
from noiseband.referee.readers import read
from noiseband.study.table_params import ReportParams
from tests.fake_runs import FakeRun, pocket_runs
from tests.referee.readers.files import only
from tests.small_study import write_study

TWIN = {"batch.microbatch": [4, 2]}
RUNS = [
    *pocket_runs(),
    FakeRun("baseline-42-twin", 4.9, difference=TWIN),
    FakeRun("diverged-42", math.nan, "diverged", ["diverged"], difference={"precision": [1, 2]}),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReportParams]:
    results = tmp_path_factory.mktemp("study") / "results"
    return results, write_study(results, RUNS, steps=20, models=[], noise={})


@pytest.fixture
def results(finished: tuple[Path, ReportParams], tmp_path: Path) -> Path:
    """A copy of the study, to be changed."""
    shutil.copytree(finished[0], tmp_path / "results")
    return tmp_path / "results"


def test_the_verdicts_are_those_of_the_study(finished: tuple[Path, ReportParams]) -> None:
    results, params = finished
    known = study_outcomes(params, results)[0].study
    assert known is not None
    found = judge(measurements([only(str(results))], Choice()), "test_loss", "lower", "baseline")
    said = {one.intervention: one for one in known.verdicts}
    assert {one.arm for one in found.verdicts} == {*said, "diverged"}
    assert found.residual_sd == pytest.approx(known.residual_sd, rel=1e-6)
    one = next(one for one in found.verdicts if one.arm == "remove-dropout")
    assert one.effect == pytest.approx(said["remove-dropout"].effect, rel=1e-6)
    assert one.verdict == said["remove-dropout"].verdict


def test_repeats_and_twins_are_left_out_and_said(finished: tuple[Path, ReportParams]) -> None:
    raw = only(str(finished[0]))
    assert raw.table["run"].iloc[0] == "baseline-22"
    assert not {"baseline-42-again", "baseline-42-twin"} & set(raw.table["run"])
    assert len(raw.table) == len(RUNS) - 2
    (note,) = raw.notes
    assert "baseline-42-again, baseline-42-twin left out: repeats and twins" in note
    row = raw.table.loc["baseline-42-23"].to_dict()
    assert row.pop("digest") == read_json(finished[0] / "runs/baseline-42-23/model.json")["sha256"]
    assert row == {
        "run": "baseline-42-23",
        "arm": "baseline",
        "init_seed": 42,
        "data_seed": 23,
        "train_seed": 23,
        "test_loss": 4.858102,
        "bits_per_byte": 1.9,
    }
    assert raw.table["test_loss"].isna().tolist() == [
        run == "diverged-42" for run in raw.table.index
    ]
    assert raw.place("diverged-42") == f"{finished[0]}, run diverged-42"


def test_a_running_study_is_read_so_far(results: Path) -> None:
    (results / "runs/remove-dropout-22/test_loss.json").unlink()
    (results / "runs/pretrained").mkdir()
    raw = only(str(results))
    assert "remove-dropout-22" not in set(raw.table["run"])
    assert f"{results}: remove-dropout-22 left out: not finished" in raw.notes
    for file in results.glob("runs/*/test_loss.json"):
        file.unlink()
    with pytest.raises(UserError, match="no run of this study is finished"):
        read(str(results))


@pytest.mark.parametrize("change", [{"recipe": None}, {"difference": 3}, {"recipe": {"batch": {}}}])
def test_a_damaged_run_is_told(results: Path, change: dict[str, Any]) -> None:
    recipe = results / "runs/remove-dropout-22/recipe.json"
    write_json(recipe, {**read_json(recipe), **change})
    with pytest.raises(UserError, match=r"remove-dropout-22: not what a run of a study writes"):
        read(str(results))
    (recipe.parent / "test_loss.json").write_text("{")
    with pytest.raises(UserError, match=r"remove-dropout-22.*(damaged|not what)"):
        read(str(results))


def test_without_bits_per_byte_there_is_no_such_metric(tmp_path: Path) -> None:
    runs = [replace(run, test_loss=math.nan) for run in pocket_runs()[:2]]
    write_study(tmp_path, runs, steps=20, models=[], noise={})
    raw = only(str(tmp_path))
    assert raw.metrics == ["test_loss"]
    assert raw.table["test_loss"].isna().all()
