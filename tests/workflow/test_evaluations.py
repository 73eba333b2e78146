"""A study with one evaluation of each kind, executed: what reruns, and what is told early."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from noiseband.analysis.rows import ItemsRow, MetricVerdictRow
from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.vocabulary import END_OF_TEXT, load_encoding
from noiseband.io.metrics import Measured, read_metrics
from noiseband.io.tables import read_rows
from tests.workflow.project import Project

STUDY = Path(__file__).parent / "evaluated.yaml"
HARNESS = "  tasks: {harness: {tasks: [ours], include_path: tasks, files: [data/choices.jsonl]}}\n"
RUNS = ("baseline-42", "clip-42")
WORDS = "the king said unto his people that in the land by the sea a house of stone was great"
TASK = """\
task: ours
dataset_path: json
dataset_kwargs: {data_files: {test: data/choices.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{context}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: acc}, {metric: acc_bytes}]
"""
EVAL = """\
import argparse, json
from pathlib import Path
from transformers import AutoModelForCausalLM, AutoTokenizer

options = argparse.ArgumentParser()
options.add_argument("--model")
options.add_argument("--out", type=Path)
given = options.parse_args()
model = AutoModelForCausalLM.from_pretrained(given.model)
tokenizer = AutoTokenizer.from_pretrained(given.model)
losses = {}
for text in ("the sea", "a house of stone", "the king said"):
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    losses[text] = float(model(ids, labels=ids).loss)
loss = sum(losses.values()) / len(losses)
(given.out / "metrics.json").write_text(json.dumps({"metrics": {"loss": loss, "items": 3}}))
lines = [json.dumps({"item": text, "loss": one}) for text, one in losses.items()]
(given.out / "items.jsonl").write_text("\\n".join(lines))
"""
SIZE = """\
import json, sys
from pathlib import Path

model, out, run = sys.argv[1:]
size = sum(file.stat().st_size for file in Path(model).iterdir())
number = run.rpartition("/")[2]  # of a snapshot, or the name of an average
metrics = {"bytes": size, "snapshot": int(number) if number.isdigit() else -1}
Path(out, "metrics.json").write_text(json.dumps({"metrics": metrics}))
"""


def code(words: Callable[[int], str], number: int) -> dict[str, str]:
    """A document in one of three languages."""
    language = ("python", "go", "c")[number % 3]
    start = {
        "python": "def {}(x):\n    return",
        "go": "func {}(x int) int {{",
        "c": "int {}(int x)",
    }
    lines = [f"{start[language].format(words(1))} x + {number + part}\n" for part in range(4)]
    return {"text": "".join(lines), "language": language}


def write_files(folder: Path) -> None:
    draw = random.Random(1)

    def words(most: int) -> str:
        return " ".join(draw.choices(WORDS.split(), k=draw.randint(1, most)))

    def write(name: str, rows: list[dict[str, Any]]) -> None:
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    write("texts/prose.jsonl", [{"text": f"{words(9)} {words(120)}."} for _ in range(60)])
    write("texts/code.jsonl", [code(words, number) for number in range(40)])
    choices = [{"context": words(40), "choices": [words(4), words(4)]} for _ in range(24)]
    write("data/choices.jsonl", [{**one, "answer": i % 2} for i, one in enumerate(choices)])
    write("data/words.jsonl", [{"context": words(9), "target": words(1)} for _ in range(9)])
    (folder / "tasks").mkdir()
    (folder / "tasks/ours.yaml").write_text(TASK)
    (folder / "eval.py").write_text(EVAL)
    (folder / "size.py").write_text(SIZE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("evaluated"), STUDY)
    write_files(made.folder)
    if find_spec("lm_eval") is None:
        config = made.folder / "config/config.yaml"
        assert HARNESS in config.read_text()
        config.write_text(config.read_text().replace(HARNESS, ""))
    done = made.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def metrics(project: Project, run: str, name: str) -> dict[str, Measured]:
    return read_metrics(project.results / "runs" / run / "evaluations" / f"{name}.json")


def test_every_run_has_every_evaluation(project: Project) -> None:
    for run in RUNS:
        found = metrics(project, run, "code")
        assert set(found) == {"loss", "bits_per_byte", "loss.python", "loss.go"}
        test_loss = json.loads((project.results / "runs" / run / "test_loss.json").read_text())
        assert found["loss"].value != test_loss["test_loss"]
        assert metrics(project, run, "choose")["accuracy"].n == 24
        assert set(metrics(project, run, "cloze")) == {"accuracy", "loss"}
        assert 4 < metrics(project, run, "mine")["loss"].value < 8
    both = [metrics(project, run, "mine")["loss"] for run in RUNS]
    assert both[0] != both[1]


def test_a_second_corpus_is_tokenised_with_the_first_ones_vocabulary(project: Project) -> None:
    prose, code = (project.results / "tokens" / corpus for corpus in ("prose", "code"))
    vocabulary = code / "vocabulary.tiktoken"
    assert vocabulary.read_bytes() == (prose / "vocabulary.tiktoken").read_bytes()
    lines = (project.results / "corpus/code/test.jsonl").read_text().splitlines()
    encoding = load_encoding(vocabulary)
    texts = encoding.decode(open_tokens(code / "test.safetensors").tolist()).split(END_OF_TEXT)
    assert texts == [*(json.loads(line)["text"] for line in lines), ""]


def test_their_metrics_are_measurements(project: Project) -> None:
    table = (project.results / "tables/measurements.csv").read_text()
    for run in RUNS:
        found = metrics(project, run, "cloze")["loss"]
        assert f"{run},cloze.loss,{found.value!r},{found.standard_error!r},9\n" in table


def test_an_average_is_the_mean_over_snapshots(project: Project) -> None:
    several = [
        ("cloze", "loss", 3), ("mine", "loss", 2), ("size", "snapshot", 2), ("code", "loss.go", 2)
    ]  # fmt: skip
    for run, (name, metric, count) in product(RUNS, several):
        each = [metrics(project, f"{run}/snapshots/{n}", name)[metric] for n in range(count)]
        assert len({one.value for one in each}) == count
        found = metrics(project, run, name)[metric]
        assert found.value == pytest.approx(sum(one.value for one in each) / count)
        assert found.n == each[0].n
        last = project.results / "runs" / run / f"snapshots/{count}/evaluations/{name}.json"
        assert not last.exists()
    # A snapshot is not measured on what is not averaged.
    assert not list(project.results.glob("runs/*/snapshots/*/evaluations/choose.json"))
    assert not list(project.results.glob("runs/*/snapshots/*/test_loss.json"))
    manifest = json.loads((project.results / "manifest.json").read_text())["artefacts"]
    for name in ("1/model.safetensors", "2/evaluations/cloze.json", "0/evaluations/mine.json"):
        assert f"runs/clip-42/snapshots/{name}" in manifest


def test_averaged_weights_are_evaluated_as_variants_of_their_run(project: Project) -> None:
    tables = project.results / "tables"
    table = (tables / "measurements.csv").read_text()
    manifest = json.loads((project.results / "manifest.json").read_text())["artefacts"]
    for run in RUNS:
        average = f"{run}/averages/ema"
        cloze = metrics(project, average, "cloze")["loss"]
        assert f"{run},ema.cloze.loss,{cloze.value!r},{cloze.standard_error!r},9\n" in table
        mine = metrics(project, average, "mine")["loss"]
        assert f"{run},ema.mine.loss,{mine.value!r},{mine.standard_error!r},{mine.n}\n" in table
        folder = project.results / "runs" / run
        own, found = (
            json.loads((one / "test_loss.json").read_text())["test_loss"]
            for one in (folder, folder / "averages/ema")
        )
        assert found != own
        assert f"{run},ema.test_loss,{found!r}," in table
        assert f"{own!r}," in table
        for name in ("model.safetensors", "test_documents.csv", "evaluations/cloze.json"):
            assert f"runs/{average}/{name}" in manifest
    assert "ema.test_loss" in (tables / "metric-verdicts.csv").read_text()
    assert "test_loss,clip" in (tables / "averages.csv").read_text()


def test_a_mean_of_snapshots_trains_nothing(project: Project) -> None:
    ema = "averages: {ema: {decay: 0.9}"
    with project.edited("config/config.yaml", ema, f"{ema}, late: {{snapshots: 3}}"):
        planned = project.planned()
        assert "average_weights" in planned and "train" not in planned
        done = project.snakemake("results/runs/clip-42/averages/late/test_loss.json")
    assert done.returncode == 0, done.stderr
    folder = project.results / "runs/clip-42"
    files = ("model", "snapshots/1/model", "snapshots/2/model", "averages/late/model")
    *each, mean = (load_file(folder / f"{name}.safetensors") for name in files)
    for name, weight in mean.items():
        first, second, third = (one[name].double() for one in each)
        assert torch.equal(weight, ((first + second + third) / 3).float())
    assert (folder / "averages/late/test_loss.json").exists()
    with project.edited("config/config.yaml", ema, ema.replace("0.9", "0.8")):
        assert project.planned()["train"] == set(RUNS)


def test_the_harness_says_what_choice_says(project: Project) -> None:
    pytest.importorskip("lm_eval", reason="needs lm-eval: pip install 'noiseband[harness]'")
    for run in RUNS:
        theirs, ours = metrics(project, run, "tasks"), metrics(project, run, "choose")
        assert theirs["acc"] == ours["accuracy"]
        assert theirs["acc_bytes"] == ours["accuracy_per_byte"]


def test_items_can_be_compared_one_by_one(project: Project) -> None:
    folders = [project.results / "runs" / run / "evaluations" for run in RUNS]
    for name, count in (("choose", 24), ("cloze", 9), ("mine", 3)):
        one, other = (pq.read_table(folder / f"{name}.items.parquet") for folder in folders)
        assert one["item"].to_pylist() == other["item"].to_pylist()
        assert one.num_rows == count and one["loss"] != other["loss"]
    documents = pq.read_table(folders[0] / "code.items.parquet")
    assert documents.column_names == ["item", "loss", "tokens", "slice"]
    assert not (folders[0] / "size.items.parquet").exists()


def test_slices_are_losses_of_documents_by_their_field(project: Project) -> None:
    """The known answer is in the texts, and the losses of documents are in the items."""
    lines = (project.results / "corpus/code/test.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    starts = {"def ": "python", "func": "go", "int ": None}
    verdicts = read_rows(project.results / "tables/metric-verdicts.csv", MetricVerdictRow)
    for run in RUNS:
        file = project.results / "runs" / run / "evaluations/code.items.parquet"
        items = pq.read_table(file).to_pydict()
        found = metrics(project, run, "code")
        assert items["slice"] == [starts[rows[int(item)]["text"][:4]] for item in items["item"]]
        weights, parts = np.array(items["tokens"]), []
        for value in ("python", "go", None):
            own = np.array([its == value for its in items["slice"]])
            parts.append((np.average(np.array(items["loss"])[own], weights=weights[own]), own))
        for name, (loss, own) in zip(("python", "go"), parts, strict=False):
            measured = found[f"loss.{name}"]
            assert measured.value == pytest.approx(loss) and measured.n == own.sum()
            assert measured.standard_error is not None
        whole = sum(loss * weights[own].sum() for loss, own in parts) / weights.sum()
        assert found["loss"].value == pytest.approx(whole)
    judged = {row.metric for row in verdicts}
    assert {"code.loss", "code.loss.python", "code.loss.go"} <= judged


def test_items_of_a_command_are_compared_too(project: Project) -> None:
    """The known answer is the mean difference over the items, averaged over the snapshots."""
    baseline, clip = (
        pq.read_table(project.results / f"runs/{run}/evaluations/mine.items.parquet").to_pydict()
        for run in RUNS
    )
    assert baseline["item"] == ["a house of stone", "the king said", "the sea"]
    differences = np.subtract(clip["loss"], baseline["loss"])
    rows = read_rows(project.results / "tables/items.csv", ItemsRow)
    (row,) = [row for row in rows if row.metric == "mine.loss"]
    assert (row.items, row.worsened) == (3, (differences > 0).sum())
    assert row.difference == pytest.approx(differences.mean())
    for run, table in zip(RUNS, (baseline, clip), strict=True):
        found = metrics(project, run, "mine")["loss"]
        assert found.standard_error == pytest.approx(np.std(table["loss"], ddof=1) / 3**0.5)


def test_results_are_in_the_manifest_and_exports_are_gone(project: Project) -> None:
    manifest = json.loads((project.results / "manifest.json").read_text())["artefacts"]
    for name in (
        "code.json",
        "code.items.parquet",
        "size.json",
        "mine.json",
        "mine.items.parquet",
    ):
        assert f"runs/clip-42/evaluations/{name}" in manifest
    left = project.results.glob("work/evaluations/**/*")
    assert not [path for path in left if path.is_file() or path.name == "model"]
    assert project.planned() == {}


def test_a_change_reruns_what_depends_on_it(project: Project) -> None:
    after = {"tables", "figures", "manifest", "report"}
    with project.edited("eval.py", "the sea", "the land"):
        assert project.planned().keys() - after == {"evaluate_command_items", "average_evaluation"}
    with project.edited("data/words.jsonl", '"context": "', '"context": "the '):
        found = project.planned().keys() - after
        assert found == {"check_data", "evaluate_choice", "average_evaluation"}
    loss = "{corpus: code, split: test, batch: 2, "
    with project.edited("config/config.yaml", loss, loss.replace("2", "4")):
        found = project.planned().keys() - after
        assert found == {"check_data", "evaluate_loss", "average_evaluation"}
    with project.edited("config/config.yaml", "[python, go]", "[python, c]"):
        found = project.planned().keys() - after
        assert found == {"check_data", "evaluate_loss", "average_evaluation"}
    with project.edited("src/noiseband/evaluate/choice.py", "min(rates)", "max(rates)"):
        assert project.planned().keys() - after == {"evaluate_choice", "average_evaluation"}
    with project.edited("config/config.yaml", "average: 3", "average: 2"):
        assert project.planned().keys() - after == {"average_evaluation"}


def test_what_is_wrong_is_told_before_anything_trains(project: Project) -> None:
    with project.edited("data/choices.jsonl", '"answer": 0', '"answer": 5'):
        found = project.snakemake("-n")
    assert found.returncode == 2
    assert found.stderr.strip().splitlines()[-1] == (
        "data/choices.jsonl: row 1: answer: 5 is not the place of a choice; write a number from 0 "
        "to 1"
    )
    with project.edited("config/config.yaml", "files: [eval.py]", "files: [evil.py]"):
        found = project.snakemake("-n")
    assert found.returncode == 2
    assert "evaluations.mine: 'evil.py': no such file or folder; give a path" in found.stderr
    with project.edited("config/config.yaml", "go]", "go, 'go']"):
        found = project.snakemake("-n")
    assert found.returncode == 2
    assert "code.loss.by: " in found.stderr and "would both be called loss.go" in found.stderr


def test_a_command_that_fails_is_in_its_log(project: Project) -> None:
    with project.edited("eval.py", 'json.dumps({"metrics"', 'json.dumps({"metric"'):
        found = project.snakemake("results/runs/clip-42/evaluations/mine.json")
    assert found.returncode == 1
    log = (project.results / "logs/evaluate_command/clip-42/snapshots/0/mine.log").read_text()
    assert "metrics.json: metrics: missing: write each metric by name" in log
