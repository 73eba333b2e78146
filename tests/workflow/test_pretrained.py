"""Pretrained models in the real workflow, from a local Hub and from a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from noiseband.io.files import read_jsonl
from noiseband.model.gpt import parameter_shapes
from noiseband.study.architecture import Model
from tests.hub.models import saved_gpt2
from tests.hub.server import COMMIT, Hub, serve
from tests.workflow.project import RUNS, Project

SHAPE = Model(
    vocabulary=2048, context=128, width=16, heads=2, layers=1, qkv_bias=True, tied=True, dropout=0
)
CONFIG = f"""
pretrained:
  theirs:
    repo: some/model
    revision: {COMMIT}
    model: &shape
      {{vocabulary: 2048, context: 128, width: 16, heads: 2, layers: 1, qkv_bias: true, tied: true}}
  mine: {{path: theirs, model: *shape}}
"""
CHOSEN = "runs: [baseline-42, clip-42]"


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serve() as hub:
        yield hub


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[Project]:
    """A study with evaluated pretrained models, one of them fine-tuned; no run has been trained."""
    made = Project(tmp_path_factory.mktemp("project"))
    saved_gpt2(made.folder / "theirs", SHAPE)
    for name in ("config.json", "model.safetensors"):
        hub.add("some/model", name, (made.folder / "theirs" / name).read_bytes())
    config = made.folder / "config/config.yaml"
    text = config.read_text().replace(CHOSEN, "runs: [baseline-42, theirs]")
    config.write_text(text + CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HOME", str(made.folder / "hf"))
        done = made.snakemake(
            "results/runs/theirs/test_loss.json",
            "results/runs/mine/test_loss.json",
            "results/runs/theirs/ift/one-epoch/42/answers.jsonl",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def loaded(file: Path) -> Any:
    return json.loads(file.read_text())


def test_the_test_loss_is_the_librarys(project: Project) -> None:
    results = project.folder / "results"
    found = loaded(results / "runs/theirs/test_loss.json")
    tokens = load_file(results / "tokens/pocket/test.safetensors")["tokens"].numpy()
    theirs = saved_gpt2(project.folder / "again", SHAPE)
    context, losses = 96, []
    for begin in range(0, found["tokens"], context):
        window = torch.from_numpy(tokens[begin : begin + context + 1].astype(np.int64))[None]
        with torch.no_grad():
            losses.append(theirs(window, labels=window).loss.item())
    assert len(losses) > 10
    assert found["test_loss"] == pytest.approx(np.mean(losses), abs=1e-5)
    assert found["by_position"][-1]["last"] == context - 1
    assert loaded(results / "runs/mine/test_loss.json") == found


def test_it_is_fine_tuned_and_answers(project: Project) -> None:
    folder = project.folder / "results/runs/theirs"
    tuned = load_file(folder / "ift/one-epoch/42/model.safetensors")
    used = SHAPE.model_copy(update={"context": 96})
    assert {n: tuple(t.shape) for n, t in tuned.items()} == parameter_shapes(used)
    before = load_file(folder / "model.safetensors")
    assert any(not torch.equal(tuned[name], before[name]) for name in before)
    assert len(read_jsonl(folder / "ift/one-epoch/42/answers.jsonl")) == 4


def test_only_the_hubs_model_was_asked_for(project: Project, hub: Hub) -> None:
    place = f"/some/model/resolve/{COMMIT}"
    asked = [path for method, path, _ in hub.requests if method == "GET" and "resolve" in path]
    assert sorted(asked) == [f"{place}/config.json", f"{place}/model.safetensors"]


def test_the_whole_study_has_their_jobs_beside_the_runs(project: Project) -> None:
    found = project.snakemake("-n", "--config", "results=fresh", "--", "fresh/report.html")
    assert found.returncode == 0, found.stdout + found.stderr
    text = found.stdout + found.stderr
    assert set(re.findall(r"Job \d+: Training (\S+)", text)) == RUNS
    assert sorted(re.findall(r"Job \d+: Fetching (\S+)", text)) == ["mine", "theirs"]
    assert set(re.findall(r"Job \d+: Test loss of (\S+)", text)) == {*RUNS, "mine", "theirs"}
    assert set(re.findall(r"Job \d+: Answers of (\S+)", text)) == {"baseline-42", "theirs"}


def test_another_file_in_the_folder_is_read_again(project: Project) -> None:
    target = "results/runs/mine/test_loss.json"
    assert project.planned(target) == {}
    saved_gpt2(project.folder / "theirs", SHAPE, seed=2)
    assert project.planned(target).keys() == {"pretrained", "evaluate"}
    assert project.planned("results/runs/theirs/test_loss.json") == {}


def test_nothing_was_trained_that_could_be_trained_again(project: Project) -> None:
    for target in ("verify/theirs.json", "reruns/theirs/model.safetensors"):
        found = project.snakemake("-n", f"results/{target}")
        assert found.returncode == 1
        assert f"No rule to produce results/{target}" in found.stdout + found.stderr


def test_a_list_of_runs_names_them_too(project: Project) -> None:
    found = project.noiseband("runs")
    assert re.search(rf"^theirs +pretrained  some/model at {COMMIT}$", found.stdout, re.MULTILINE)
    assert re.search(r"^mine +pretrained  theirs$", found.stdout, re.MULTILINE)
