"""Text corpora and pretokenised corpora from a local Hub in the real workflow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from tests.hub.server import COMMIT, Hub, serve
from tests.workflow.project import Project

END = 50256
STUDY = f"""
study: hub
corpora:
  ready:
    tokenised:
      repo: some/tokens
      revision: main
      unpinned: true
      train: train.safetensors
      test: held-out.safetensors
    tokenizer: {{kind: gpt2}}
    tokens: {{train: 20000, validation: 0, test: 3000}}
  raw:
    sources:
      - repo: some/text
        revision: {COMMIT}
        files: [sample/*.parquet]
    order: as-read
    validation: 0
    test: 0.1
    tokenizer: {{kind: gpt2}}
recipe:
  model: {{vocabulary: 50257, context: 16, width: 8, heads: 2, layers: 1}}
  data: {{corpus: ready, train_tokens: 512}}
  batch: {{sequences: 4, microbatch: 2}}
  optimizer: {{learning_rate: 0.01}}
interventions:
  text: {{data.corpus: raw}}
noise: {{init_and_train: [42, 22]}}
evaluation: {{start_token: 1000, tokens: 1024, batch: 4}}
baseline: baseline-42
"""
TARGETS = [
    "results/runs/baseline-42/test_loss.json",
    "results/contamination/ready-16~ready-0-513.json",
    "results/tokens/raw/card.json",
]


def tokens(seed: int, count: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Random documents of 49 tokens each."""
    made = np.random.default_rng(seed).integers(0, END, count).astype(np.uint16)
    made[49::50] = END
    return made


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serve() as hub:
        hub.branches["main"] = COMMIT
        yield hub


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[Project]:
    """A study after one of its runs was trained on downloaded tokens."""
    made = Project(tmp_path_factory.mktemp("project"))
    (made.folder / "config/config.yaml").write_text(STUDY)
    published = tmp_path_factory.mktemp("published")
    train, held_out = tokens(1, 20_000), tokens(2, 3_000)
    held_out[1050:1100] = train[50:100]  # one whole document of the training window
    save_file({"tokens": train}, published / "train.safetensors")
    save_file({"tokens": held_out}, published / "held-out.safetensors")
    hub.add_folder("datasets/some/tokens", published)
    (published / "sample").mkdir()
    for part in range(2):
        texts = [f"text {part} {row}" for row in range(50)]
        pq.write_table(pa.table({"text": texts}), published / f"sample/{part}.parquet")
    hub.add_folder("datasets/some/text", published)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HOME", str(made.folder / "hf"))
        done = made.snakemake(*TARGETS)
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def loaded(project: Project, file: str) -> Any:
    return json.loads((project.folder / "results" / file).read_text())


def test_fetched_tokens_are_trained_on_and_tested_on(project: Project) -> None:
    folder = project.folder / "results/tokens/ready"
    for split, made in {"train": tokens(1, 20_000), "validation": tokens(0, 0)}.items():
        assert np.array_equal(load_file(folder / f"{split}.safetensors")["tokens"], made)
    assert (folder / "train.safetensors").stat().st_nlink == 2
    loss = loaded(project, "runs/baseline-42/test_loss.json")
    assert loss["tokens"] == 1024
    assert 10 < loss["test_loss"] < 12
    assert not (project.folder / "results/corpus/ready").exists()


def test_contamination_is_counted_in_them(project: Project) -> None:
    found = loaded(project, "contamination/ready-16~ready-0-513.json")
    assert found["first_token"] == 1001
    assert (found["documents_found"], found["tokens_found"]) == (1, 50)


def test_text_is_read_in_its_order(project: Project) -> None:
    rows = (project.folder / "results/corpus/raw/test.jsonl").read_text().splitlines()
    assert json.loads(rows[-1]) == {"id": "sample/1.parquet/49", "text": "text 1 49"}
    card = loaded(project, "tokens/raw/card.json")
    assert [split["documents"] for split in card["splits"].values()] == [90, 0, 10]
    assert card["splits"]["validation"]["tokens"] == 0


def test_nothing_is_out_of_date_whatever_the_branch_is_now(project: Project, hub: Hub) -> None:
    asked = len(hub.requests)
    hub.branches["main"] = "f" * 40
    assert project.planned(*TARGETS) == {}
    assert len(hub.requests) == asked


def test_the_whole_study_has_a_rule_for_each_file(project: Project) -> None:
    planned = project.planned("results/report.html")
    assert planned["train"] == {"baseline-22", "text-42"}
    assert {"contamination", "manifest", "report"} <= planned.keys()
    assert not {"corpus", "vocabulary", "tokenize", "fetch_tokens"} & planned.keys()


def test_what_the_user_must_see_is_on_the_terminal_of_snakemake(tmp_path: Path) -> None:
    made = Project(tmp_path / "mine")
    raw = re.sub(r"      - repo: .*\n.*\n.*\n", "      - {path: texts, files: ['*.txt']}\n", STUDY)
    (made.folder / "config/config.yaml").write_text(raw)
    (made.folder / "texts").mkdir()
    for number in range(20):
        text = f"text {number}, caf\N{LATIN SMALL LETTER E WITH ACUTE}"
        content = text.encode("latin-1" if number < 3 else "utf-8")
        (made.folder / f"texts/{number:02}.txt").write_bytes(content)
    said = (
        "noiseband: corpus raw: 3 of 20 documents of texts have bytes that are not UTF-8, which "
        "became U+FFFD\n"
    )
    for forks in ("on", "off"):
        done = made.snakemake("-f", "results/corpus/raw/card.json", NOISEBAND_FORKS=forks)
        assert done.returncode == 0, done.stdout + done.stderr
        assert said in done.stdout
        assert (made.folder / "results/logs/corpus/raw.log").read_text().endswith(said)


TUNED = """
finetuning:
  instructions: {mine: {kind: file, path: rows.json, train: 28, test: 8}}
  protocols:
    one: {instructions: mine, epochs: 1, patience: null, dropout: 0.0, max_new_tokens: 4}
  runs: [text-42]
"""


def test_questions_that_a_model_saw_are_told_counted_and_dropped(tmp_path: Path) -> None:
    """Twenty rows written twice, so that train has every test question; one is in a text too."""
    made = Project(tmp_path / "mine")
    config = made.folder / "config/config.yaml"
    raw = re.sub(r"      - repo: .*\n.*\n.*\n", "      - {path: texts, files: ['*.txt']}\n", STUDY)
    config.write_text(raw + TUNED)
    (made.folder / "texts").mkdir()
    for number in range(20):
        text = f"Text {number}: {'stone ' * 40}"
        if number == 9:
            text += "He said: what is the COLOUR of stone 11? Nobody knew."
        (made.folder / f"texts/{number:02}.txt").write_text(text)
    asked = [f"What is the colour of stone {number}?" for number in range(20)]
    rows = [{"instruction": text, "output": "grey"} for text in asked] * 2
    (made.folder / "rows.json").write_text(json.dumps(rows))
    target = "results/contamination/questions~mine~raw-0-513.json"
    done = made.snakemake(target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "noiseband: instructions mine: 8 of 8 test and 4 of 4 validation questions are also in "
        "train (12 exactly, 0 up to case, punctuation and blanks); seen_questions: drop"
    ) in done.stdout
    test = loaded(made, "contamination/questions~mine~raw-0-513.json")["splits"]["test"]
    assert (test["in_train_exactly"], test["rows_in_train"]) == (8, [*range(29, 37)])
    assert [rows[row - 1]["instruction"] for row in test["rows_in_text"]] == [asked[11]]
    config.write_text(raw + TUNED.replace("test: 8}", "test: 8, seen_questions: drop}"))
    done = made.snakemake(target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seen_questions: drop left out 12 of 28 rows of train" in done.stdout
    test = loaded(made, "contamination/questions~mine~raw-0-513.json")["splits"]["test"]
    assert (test["questions"], test["in_train_exactly"], test["rows_in_train"]) == (8, 0, [])
    assert len(test["rows_in_text"]) == 1
