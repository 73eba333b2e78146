"""Each example runs from a copy, with fewer seeds and steps, to a report with verdicts."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from noiseband.hub.convert import write_converted
from noiseband.study import load_study
from tests.project import ROOT
from tests.workflow.project import Project

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/config.yaml"))
SMALLER: dict[str, dict[str, Any]] = {
    "numpy-classifier": {"recipe": {"steps": 200}},
    "small-gpt": {"recipe": {"steps": 12, "width": 16, "layers": 1}},
    "transformers-trainer": {"recipe": {"steps": 6, "model": {"n_embd": 16, "n_layer": 1}}},
}
FEWER = {"seeds": {"default": [1]}, "noise": {"init_and_train": [1, 2]}}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reaches_its_report(name: str, tmp_path: Path) -> None:
    whole = yaml.safe_load((ROOT / "examples" / name / "config.yaml").read_text())
    first = next(iter(whole["interventions"]))
    made = Project(tmp_path / "project", ROOT / "examples" / name / "config.yaml")
    shutil.copytree(ROOT / "examples", made.folder / "examples")
    # One intervention only, because each further run takes seconds.
    small = {**whole, "interventions": {first: whole["interventions"][first]}, **FEWER}
    small["recipe"] = merged(whole["recipe"], SMALLER[name]["recipe"])
    (made.folder / "small.yaml").write_text(yaml.safe_dump(small, sort_keys=False))
    done = made.snakemake("--configfile", "small.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    results = made.folder / whole["results"]
    with open(results / "tables/verdicts.csv", encoding="utf-8", newline="") as file:
        (verdict,) = csv.DictReader(file)
    assert verdict["intervention"] == first
    assert verdict["effect"]
    again = json.loads((results / "verify/baseline-again.json").read_text())
    assert again["identical"] is True
    page = (results / "report.html").read_text()
    assert whole["title"].split()[0] in page
    assert 'id="training"' in page
    if "export" in whole["trainer"].get("outputs", {}):
        write_converted(results / "runs/baseline-1/export", tmp_path / "converted")
        assert (tmp_path / "converted/model.safetensors").exists()


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`old` with the values of `new`, also inside sections."""
    found = dict(old)
    for key, value in new.items():
        found[key] = merged(found[key], value) if isinstance(value, dict) else value
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_valid_study_with_a_page_and_results_of_its_own(name: str) -> None:
    folder = ROOT / "examples" / name
    study = load_study(folder / "config.yaml")
    assert study.config.results == f"results/examples/{name}"
    assert study.config.study == name
    command = f"snakemake --cores all --configfile examples/{name}/config.yaml"
    assert command in (folder / "README.md").read_text()
