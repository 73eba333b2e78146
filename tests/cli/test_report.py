"""Test `noiseband report`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import run


def test_a_report_of_an_unfinished_study_says_what_to_do(small: Path) -> None:
    done = run("report", "--config", small)
    assert (done.returncode, done.stdout) == (2, "")
    missing = small.parent / "results/runs/baseline-42/recipe.json"
    assert done.stderr == (
        f"noiseband: {missing} is not there yet; make it: noiseband run {missing} --config {small};"
        f" or see the results so far: noiseband report --partial --config {small}\n"
    )
