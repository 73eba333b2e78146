"""The Python functions: their examples run, and a study or a file becomes a data frame."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import noiseband as nb
from noiseband.analysis.tables import study_outcomes
from noiseband.referee import answer, load
from tests.small_study import write_study


@pytest.mark.parametrize("module", [answer, load])
def test_the_examples_in_docstrings_run(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.attempted >= 4 and found.failed == 0


def test_the_documentation_names_everything_that_is_public() -> None:
    text = Path("docs/api.md").read_text(encoding="utf-8")
    for name in nb.__all__:
        assert f"`nb.{name}" in text
        assert getattr(nb, name).__doc__
    assert dir(nb) == sorted(nb.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'verdict'"):
        nb.verdict  # noqa: B018


def test_a_studys_measurements_can_be_judged(tmp_path: Path) -> None:
    params = write_study(tmp_path)
    frame = nb.load(tmp_path)
    assert {"run", "arm", "init_seed", "train_seed", "digest", "test_loss"} <= {*frame.columns}
    assert frame["test_loss"].dtype == "float64" and frame["init_seed"].dtype == "int64"
    found = nb.verdicts(frame, metric="test_loss")
    expected = study_outcomes(params, tmp_path)[0].study
    assert expected is not None
    theirs = {one.intervention: one for one in expected.verdicts}
    assert {one.arm for one in found.verdicts} == theirs.keys()
    for one in found.verdicts:
        other = theirs[one.arm]
        assert (one.verdict, one.effect, one.low) == (other.verdict, other.effect, other.low)


def test_columns_that_are_numbers_become_numbers(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("arm,seed,loss,ms\nmain,1,3.1,5\nnew,2,nan,\n")
    frame = nb.load(tmp_path / "f.csv")
    assert [str(frame[name].dtype) for name in ("seed", "loss", "ms")] == [
        "int64", "float64", "float64",
    ]  # fmt: skip
    assert frame["arm"].tolist() == ["main", "new"]
