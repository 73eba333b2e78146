"""A study whose runs export a GPT2LMHeadModel: watched, evaluated, fine-tuned and judged."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from noiseband.io.metrics import read_metrics
from tests.workflow.project import Project

STUDY = """
study: exporting
trainer:
  command: python train.py {recipe} {out}
  files: [train.py]
  seeds: [train_seed]
  outputs: {trace: trace.csv, export: model}
metrics:
  score: {better: higher}
  words.length: {better: lower}
evaluations:
  pick: {choice: {file: choices.jsonl}}
  words: {command: "python count.py {model} {out}", files: [count.py], items: true}
recipe: {level: 3}
interventions:
  up: {level: 5}
seeds: {default: [1]}
noise: {init_and_train: [1, 2]}
baseline: baseline-1
finetuning:
  instructions:
    letters: {kind: file, path: rows.json, train: 8, test: 3}
  protocols:
    short: {instructions: letters, epochs: 2, patience: null, dropout: 0.0, template: short,
            max_new_tokens: 2, learning_rate: 0.01, seeds: [1, 2]}
"""
HARNESS = """evaluations:
  ours: {harness: {tasks: [ours], include_path: tasks, files: [choices.jsonl]}}
"""
RUNS = ("baseline-1", "baseline-2", "up-1")

TRAIN = """
import json, sys, time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

recipe, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
seed, level, model = recipe["train_seed"], recipe["level"], out / "model"
with open(out / "trace.csv", "w") as trace:
    trace.write(f"step,loss\\n0,9.5\\n6,{8 + 0.01 * (level + seed)}\\n")
while not Path("go").exists():
    time.sleep(0.05)  # while a page is watched

# End-of-text has the first id, as the library's trainer gives it, and two ids are padding.
letters = sorted(pre_tokenizers.ByteLevel.alphabet())
vocabulary = {name: place for place, name in enumerate(["<|endoftext|>", *letters])}
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.add_special_tokens(["<|endoftext|>"])
draw, ids, context, width = np.random.default_rng(10 * level + seed), 259, 48, 8
shapes = {"wte": (ids, width), "wpe": (context, width)}
for part, size in {"attn.c_attn": 24, "attn.c_proj": 8, "mlp.c_fc": 32, "mlp.c_proj": 8}.items():
    rows = 32 if part == "mlp.c_proj" else 8
    shapes |= {f"h.0.{part}": (rows, size)}
tensors = {f"transformer.{name}.weight": draw.normal(0, 0.3, s) for name, s in shapes.items()}
for name, shape in shapes.items():
    if name.startswith("h."):
        tensors[f"transformer.{name}.bias"] = np.zeros(shape[1])
for norm in ("h.0.ln_1", "h.0.ln_2", "ln_f"):
    tensors[f"transformer.{norm}.weight"] = np.ones(width)
    tensors[f"transformer.{norm}.bias"] = np.zeros(width)
model.mkdir()
weights = {name: value.astype(np.float32) for name, value in tensors.items()}
save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
shape = {"vocab_size": ids, "n_positions": context, "n_embd": width, "n_head": 2, "n_layer": 1}
kind = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "eos_token_id": 0}
(model / "config.json").write_text(json.dumps(kind | shape))
tokenizer.save(str(model / "tokenizer.json"))
named = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
(model / "tokenizer_config.json").write_text(json.dumps(named))
(model / "words.txt").write_text("a" * (10 * level + seed))
(out / "result.json").write_text('{"metrics": {"score": %d}}' % (10 * level + seed))
"""

COUNT = """
import json, sys
from pathlib import Path

length = len(Path(sys.argv[1], "words.txt").read_text())
Path(sys.argv[2], "metrics.json").write_text(json.dumps({"metrics": {"length": length}}))
items = [{"item": f"word {n}", "length": length + n} for n in (1, 0, -1)]
Path(sys.argv[2], "items.jsonl").write_text("\\n".join(map(json.dumps, items)))
"""

TASK = """\
task: ours
dataset_path: json
dataset_kwargs: {data_files: {test: choices.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{context}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: acc}]
"""


def write_files(folder: Path) -> None:
    (folder / "train.py").write_text(TRAIN)
    (folder / "count.py").write_text(COUNT)
    letters = "abcdefghijklm"
    rows = [{"instruction": f"Double {a}", "output": a + a} for a in letters]
    (folder / "rows.json").write_text(json.dumps(rows))
    items = [{"context": a, "choices": [f"x{a}", f"{a}y"], "answer": 0} for a in letters]
    (folder / "choices.jsonl").write_text("".join(json.dumps(one) + "\n" for one in items))
    (folder / "tasks").mkdir()
    (folder / "tasks/ours.yaml").write_text(TASK)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The study, finished, after a page was watched from the time when its commands trained."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / "study.yaml").write_text(STUDY)
    made = Project(folder / "project", folder / "study.yaml")
    write_files(made.folder)
    page, watch = made.results / "partial.html", None
    running = made.background("snakemake", "--cores", "2")
    try:
        until(lambda: len(list(made.results.glob("work/*/out/trace.csv"))) == 2)
        watch = made.background("noiseband", "report", "--watch")
        until(page.exists)
        (folder / "while-training.html").write_text(page.read_text())
        (made.folder / "go").touch()
        said, _ = running.communicate(timeout=300)
        assert running.returncode == 0, said
        watched, _ = watch.communicate(timeout=60)
        assert watch.returncode == 0, watched
        (folder / "watched.txt").write_text(watched)
    finally:
        for process in filter(None, (running, watch)):
            process.kill()
    return made


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def rows(project: Project, table: str) -> list[dict[str, str]]:
    with open(project.results / "tables" / f"{table}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_page_is_watched_while_commands_train(project: Project) -> None:
    page = (project.folder.parent / "while-training.html").read_text()
    assert page.count("training") >= 2
    assert 'http-equiv="refresh"' in page
    said = (project.folder.parent / "watched.txt").read_text().splitlines()
    assert "2 training" in said[0]
    assert said[-1] == "results/partial.html  3 finished"
    page = (project.results / "partial.html").read_text()
    assert "refresh" not in page
    assert "words.length" in page


def test_an_exported_model_is_evaluated_by_another_command(project: Project) -> None:
    lengths = {
        row["run"]: float(row["value"])
        for row in rows(project, "measurements")
        if row["metric"] == "words.length"
    }
    assert lengths == {"baseline-1": 31, "baseline-2": 32, "up-1": 51}
    assert (project.results / "runs/up-1/export/words.txt").exists()
    (items,) = (row for row in rows(project, "items") if row["metric"] == "words.length")
    assert (items["run"], items["items"], float(items["difference"])) == ("up-1", "3", 20)


def test_plan_prices_evaluations_by_what_snakemake_measured(project: Project) -> None:
    evaluation = project.results / "runs/up-1/evaluations/words.json"
    kept = evaluation.rename(evaluation.with_suffix(".kept"))
    try:
        found = project.noiseband("plan")
    finally:
        kept.rename(evaluation)
    assert found.returncode == 0, found.stderr
    (words,) = (line.split() for line in found.stdout.splitlines() if line.startswith("words "))
    assert words[:3] == ["words", "3", "2"]
    assert words[3].isdigit()
    assert "Not yet priced" not in found.stdout


def test_what_is_fine_tuned_is_the_exported_model(project: Project) -> None:
    for run in RUNS:
        folder = project.results / "runs" / run
        theirs = load_file(folder / "export/model.safetensors")["transformer.wte.weight"]
        ours = load_file(folder / "converted/model.safetensors")["tok_emb.weight"]
        assert (theirs.shape[0], ours.shape[0]) == (259, 257)
        assert torch.equal(ours[256], theirs[0])
        for seed in (1, 2):
            tuned = load_file(folder / f"ift/short/{seed}/model.safetensors")["tok_emb.weight"]
            assert tuned.shape == ours.shape
            assert not torch.equal(tuned, ours)


def test_scores_over_seeds_are_in_tables_and_on_the_page(project: Project) -> None:
    scored = rows(project, "finetuning")
    assert [(row["run"], row["seed"]) for row in scored] == [
        (run, seed) for run in RUNS for seed in ("1", "2")
    ]
    assert all(row["score"] and row["rank"] and not row["test_loss"] for row in scored)
    loss = {row["measure"]: row for row in rows(project, "finetuning-noise")}["validation loss"]
    assert (loss["runs"], loss["models"], loss["degrees_of_freedom"]) == ("3", "6", "3")
    assert float(loss["p_value"]) < 0.05
    (test, _) = rows(project, "seen-questions")
    assert (test["runs"], test["questions"], test["in_text"]) == (";".join(RUNS), "3", "")
    page = (project.results / "report.html").read_text()
    assert 'href="#finetuning"' in page
    section = page.partition('id="finetuning"')[2].partition("</section>")[0]
    assert "runs differ by more than fine-tuning seeds" in section
    assert "not known: a command trained them" in section
    assert "Does a lower test loss" not in section
    assert ">Test loss<" not in section
    assert 'id="corpus"' not in page


def test_they_are_in_the_manifest_and_only_what_changes_runs_again(project: Project) -> None:
    for name in ("converted/model.safetensors", "ift/short/2/answers.jsonl"):
        assert f"runs/up-1/{name}" in json.loads(project.manifest)["artefacts"]
    assert project.planned() == {}
    after = {"tables", "figures", "manifest", "report"}
    with project.edited("config/config.yaml", "epochs: 2", "epochs: 3"):
        assert project.planned().keys() - after == {"finetune", "respond", "judge"}
    with project.edited("rows.json", "Double", "Triple"):
        found = project.planned().keys() - after
        assert {"instructions", "check_export", "finetune"} <= found
        assert not found & {"train_command", "convert_export"}


def test_lm_eval_reads_the_exported_folder(project: Project) -> None:
    pytest.importorskip("lm_eval", reason="needs lm-eval: pip install 'noiseband[harness]'")
    with project.edited("config/config.yaml", "evaluations:\n", HARNESS):
        done = project.snakemake("results/runs/up-1/evaluations/ours.json")
        assert done.returncode == 0, done.stdout + done.stderr
    metrics = read_metrics(project.results / "runs/up-1/evaluations/ours.json")
    assert set(metrics) == {"acc"}
    assert metrics["acc"].n == 13
    chosen = read_metrics(project.results / "runs/up-1/evaluations/pick.json")
    assert chosen["accuracy"].value == pytest.approx(metrics["acc"].value, abs=1e-6)
    assert (project.results / "runs/up-1/evaluations/ours.items.parquet").exists()
