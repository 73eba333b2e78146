"""The published series in the real workflow: planned completely, and run in a tiny version.

The tests do a few of its runs with a local Hub; `pytest -m campaign
tests/workflow/test_replication.py` does all of them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import save

from noiseband.io.tables import read_rows
from noiseband.published import data
from noiseband.published.comparison import MISSING, OTHER_SIZE, ComparisonRow
from noiseband.study import load_study
from noiseband.study.architecture import Model
from tests.hub.models import saved_gpt2
from tests.hub.server import Hub, serve
from tests.project import ROOT
from tests.workflow.project import Project

CONFIGS = ("replication.yaml", "replication-small.yaml")
SHAPE: dict[str, Any] = {
    "vocabulary": 50257, "width": 16, "heads": 2, "layers": 1, "qkv_bias": True, "tied": True,
}  # fmt: skip
HELD_OUT = {"fineweb": 50_000, "fineweb-edu": 500}
"""The number of tokens. FineWeb-Edu's are too few for an evaluation, and there should be none."""
FEW: list[dict[str, Any]] = [
    {"name": "8xa100m40-baseline", "seed": 42},
    {
        "name": "local-fineweb-edu-train",
        "interventions": ["batch-6", "fineweb-edu"],
        "seed": 42,
        "approximate": True,
    },
]
"""A first run, and a run of the first generation on the other corpus."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    made = Project(tmp_path / "project")
    for name in CONFIGS:
        shutil.copy(ROOT / "config" / name, made.folder / "config")
    return made


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub with tiny versions of the series' data sets and of GPT-2 small and medium, at their
    pinned revisions."""
    draws = np.random.default_rng(7)
    pinned = load_study(ROOT / "config/replication.yaml").config.pretrained
    with serve() as hub:
        hub.branches["main"] = commit = "c" * 40
        for corpus in HELD_OUT:
            for split, size in (("train", 400_000), ("validation", HELD_OUT[corpus])):
                tokens = draws.zipf(1.3, size).astype(np.int64) % 50257
                tokens[::97] = 50256
                content = save({"tokens": tokens.astype(np.uint16)})
                hub.add(
                    f"datasets/gpjt/{corpus}-gpt2-tokens", f"{split}.safetensors", content, commit
                )
        for number, one in enumerate(pinned.values()):
            folder = tmp_path / f"gpt2-{number}"
            saved_gpt2(folder, Model(context=64, **SHAPE), seed=number)
            for file in ("config.json", "model.safetensors"):
                hub.add(str(one.repo), file, (folder / file).read_bytes(), str(one.revision))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        yield hub


def over(project: Project, base: str, **changes: Any) -> str:
    """A config that extends one of the repository's, with small files instead of the series'."""
    corpora = {
        name: {"tokens": {"train": 400_000, "validation": 0, "test": size}}
        for name, size in HELD_OUT.items()
    }
    tiny = {"model": {**SHAPE, "context": 64}, "sha256": None}
    config: dict[str, Any] = {
        "extends": base,
        "results": "results",
        "corpora": corpora,
        "pretrained": {"openai-gpt2-small": tiny, "openai-gpt2-medium": tiny},
        "processes": 1,
    }
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(config.get(key), dict)
        config[key] = {**config[key], **value} if both else value
    (project.folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    return "config/config.yaml"


def recipe(context: int, steps: int) -> dict[str, Any]:
    return {
        "model": {"context": context, "width": 16, "heads": 2, "layers": 1},
        "data": {"train_tokens": steps * 96 * context},
    }


def pretrained_rows() -> list[str]:
    """The names of the published pretrained rows."""
    return [one.run for one in data.runs() if one.role == "pretrained"]


def messages(text: str, words: str) -> list[str]:
    return re.findall(rf"Job \d+: {words} (\S+)", text)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_whole_series_is_planned(project: Project, name: str) -> None:
    found = project.snakemake("-n", "--configfile", f"config/{name}")
    text = found.stdout + found.stderr
    assert found.returncode == 0, text
    trained = {one.run for one in data.runs() if one.role != "pretrained"}
    assert set(messages(text, "Training")) == {*trained, "update-learning-rate-42"}
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE))
    assert (jobs["train"], jobs["verify_rerun"], jobs["judge"], jobs["report"]) == (
        "30", "2", "3", "1",
    )  # fmt: skip
    if name == "replication.yaml":
        assert set(messages(text, "Fetching")) - {"tokens"} == set(pretrained_rows())
        assert sorted(messages(text, "Fetching tokens of")) == ["fineweb", "fineweb-edu"]
        # 13 models with three protocols, all evaluated on one corpus.
        assert (jobs["finetune"], jobs["respond"], jobs["evaluate"]) == ("39", "39", "32")
        starts = messages(text, "Initial weights")
        shape = "v50257-c1024-w768-h12-l12"
        assert sorted(starts) == sorted(
            [*(f"{shape}-reference-{seed}" for seed in (22, 23, 42, 67)),
             f"{shape}-qkv-reference-42", f"{shape}-tied-reference-42"]
        )  # fmt: skip


def test_a_few_of_its_runs_from_the_hub_to_the_page(project: Project, hub: Hub) -> None:
    config = over(
        project,
        "replication.yaml",
        recipe=recipe(context=16, steps=2),
        evaluation={"start_token": 100, "tokens": 960},
        runs=FEW,
        noise={"init_and_train": [42], "train_only": None, "init_only": None},
        pretrained={"openai-gpt2-medium": None},
        finetuning=None,
        placement=None,
    )
    done = project.snakemake("--configfile", config)
    assert done.returncode == 0, done.stdout + done.stderr
    results = project.folder / "results"
    names = [*(run["name"] for run in FEW), "openai-gpt2-small"]
    assert sorted(path.name for path in (results / "runs").iterdir()) == sorted(names)
    rows = {row.run: row for row in read_rows(results / "tables/published.csv", ComparisonRow)}
    assert {name for name, row in rows.items() if row.finding == OTHER_SIZE} == set(names)
    assert {row.finding for row in rows.values()} == {OTHER_SIZE, MISSING}
    page = (results / "report.html").read_text()
    assert "In 3 runs, the model, training or test window is smaller" in page
    assert "approximate: <bdi>batch-6+fineweb-edu</bdi>" in page
    # The run that was trained on the other corpus is evaluated on the same window as all others.
    contamination = [path.stem for path in (results / "contamination").glob("*.json")]
    assert sorted(contamination) == ["fineweb-16~fineweb-0-3073", "fineweb-16~fineweb-edu-0-3073"]
    losses = {n: json.loads((results / f"runs/{n}/test_loss.json").read_text()) for n in names}
    assert {loss["tokens"] for loss in losses.values()} == {960}
    assert len({loss["test_loss"] for loss in losses.values()}) == len(names)
    counts = Counter(path.split("/")[-1] for method, path, _ in hub.requests if method == "GET")
    assert (counts["train.safetensors"], counts["validation.safetensors"]) == (2, 2)
    assert counts["model.safetensors"] == 1
    again = project.snakemake("-n", "--configfile", config)
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.campaign
def test_all_of_its_runs_from_the_hub_to_the_page(project: Project, hub: Hub) -> None:
    """Every run, twin, repeat, fine-tuning and judging round of the series, in a tiny version."""
    config = over(
        project,
        "replication-small.yaml",
        corpora={
            name: {
                "sources": None,
                "tokenised": {
                    "repo": f"gpjt/{name}-gpt2-tokens", "revision": "main", "unpinned": True,
                    "train": "train.safetensors", "test": "validation.safetensors",
                },
                "tokens": {"train": 400_000, "validation": 0, "test": size},
            }
            for name, size in HELD_OUT.items()
        },
        recipe=recipe(context=64, steps=2),
        evaluation={"start_token": 100, "tokens": 3_840},
        pretrained={
            name: {"repo": one.repo, "revision": one.revision, "model": {**SHAPE, "context": 64}}
            for name, one in load_study(ROOT / "config/replication.yaml").config.pretrained.items()
        },
        finetuning={
            "protocols": {
                "early-stop": {"epochs": 2}, "epochs-4": {"epochs": 1}, "epochs-7": {"epochs": 2},
            },
            "runs": sorted({one.run for one in data.scores() if one.rank is not None}),
        },
    )  # fmt: skip
    done = project.snakemake("--configfile", config)
    assert done.returncode == 0, done.stdout + done.stderr
    results = project.folder / "results"
    rows = read_rows(results / "tables/published.csv", ComparisonRow)
    assert {row.finding for row in rows} == {OTHER_SIZE}
    page = (results / "report.html").read_text()
    assert all(one.run in page for one in data.runs())
    for repeat in ("8xa100m40-baseline-2", "1xrtx3090-stacked-interventions-poppy"):
        assert json.loads((results / f"verify/{repeat}.json").read_text())["identical"]
    for protocol in ("early-stop", "epochs-4", "epochs-7"):
        lines = (results / f"judge/{protocol}/round-1.jsonl").read_text().splitlines()
        assert len(json.loads(lines[0])["scores"]) == 13
