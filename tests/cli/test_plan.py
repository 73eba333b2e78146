"""Test `noiseband plan` as people type it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from noiseband.duration import duration
from noiseband.study import load_study
from tests.cli.command import run


def plan(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("plan", *arguments)


def test_the_pocket_study_on_a_laptop() -> None:
    done = plan("--config", "config/factorial.yaml")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith(("gradient-clipping", "baseline-1")) for line in lines) >= 16
    assert any(line.startswith("in all") and "3,276,800" in line for line in lines)
    assert "another seed of everything" in done.stdout
    assert "Disk: " in done.stdout
    assert "Corpora: about 21.7 MiB for pocket." in done.stdout
    assert "Memory: " in done.stdout
    assert "activations" in done.stdout


def test_a_machine_given_by_hand_counts(tmp_path: Path) -> None:
    done = plan("--config", "config/factorial.yaml", "--machine", "1xRTX3090")
    assert "on 1xRTX3090" in done.stdout
    wrong = plan("--machine", "1xRTX3091")
    assert wrong.returncode == 2
    assert '--machine: "1xRTX3091": ' in wrong.stderr
    assert "1xRTX3090" in wrong.stderr


def test_each_run_is_planned_on_its_own_machine() -> None:
    done = plan("--config", "config/replication.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    local = done.stdout.index("replication on 1xRTX3090 (")
    assert done.stdout.index("replication on 8xA100-40GB (") < local
    assert done.stdout.index("\n1xrtx3090-baseline ") > local > done.stdout.index("-2 ")
    totals = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines()}
    # There are 20 + 4 + 6 runs; the small machine has no price.
    assert [totals[f"on {name}"][2] for name in ("8xA100-40GB", "8xA100-80GB", "1xRTX3090")] == [
        "20", "4", "6",
    ]  # fmt: skip
    assert totals["in all"][2] == "30"
    assert "The cost leaves out 1xRTX3090, which has no usd_per_hour." in done.stdout
    # If all runs share one machine, full float32 does not fit.
    one = plan("--config", "config/replication.yaml", "--machine", "8xA100-40GB")
    assert one.returncode == 1
    assert "8xa100m80-no-amp needs 43.8 GiB" in one.stdout
    assert "on 1xRTX3090" not in one.stdout


def test_what_does_not_fit_is_a_negative_answer(tmp_path: Path) -> None:
    table = tmp_path / "machines.yaml"
    table.write_text(
        "models: {}\n"
        "machines: {toaster: {devices: 1, memory_gib: 0.001, source: none, rates: []}}\n"
    )
    # The results folder is new, because runs that are done already need no memory.
    config = tmp_path / "study.yaml"
    pocket = Path("config/config.yaml").read_text()
    config.write_text(pocket.replace("results: results", f"results: {tmp_path / 'results'}"))
    done = plan("--config", str(config), "--machine", "toaster", "--machines", str(table))
    assert done.returncode == 1
    assert "baseline-1 needs" in done.stdout
    assert "No rate for the precision" in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: {}\nmachines: {a: {devices: 1}}\n", "machines.a.memory_gib: missing"),
        ("models: {}\nmachines: {}\nlink: {}\n", "link"),
        (
            "models: {}\nmachines: {a: {devices: 1, memory_gib: 1, source: s, rates: [{model: b,"
            " precision: float32, dropout: true, tokens_per_second: 1}]}}\n",
            "machines.a.rates.0.model",
        ),
        ("models: {}\nmachines: {}\n", 'machine: "laptop": '),
    ],
)
def test_a_mistake_in_the_table_is_named(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "machines.yaml"
    table.write_text(text)
    done = plan("--machines", str(table))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


EVALUATED = """
evaluations:
  words: {command: "python count.py {model} {out}"}
  new: {command: "python count.py {model} {out}"}
"""
COMMAND = f"""
study: mine
trainer:
  command: python train.py {{recipe}} {{out}}
  seeds: [train_seed]
  outputs: {{export: model}}
metrics: {{score: {{better: higher}}}}
recipe: {{level: 3}}
noise: {{init_and_train: [1, 2, 3]}}
baseline: baseline-1
{EVALUATED}"""
MACHINES = """
models: {}
machines: {laptop: {devices: 1, memory_gib: 1, usd_per_hour: 36, source: none, rates: []}}
"""


@pytest.mark.parametrize("kind", ["command", "built-in"])
def test_evaluations_are_priced_by_those_that_are_finished(kind: str, tmp_path: Path) -> None:
    config, table = tmp_path / "study.yaml", tmp_path / "machines.yaml"
    table.write_text(MACHINES)
    config.write_text(COMMAND if kind == "command" else Path("config/factorial.yaml").read_text())
    whole = load_study(config).config.model_dump(mode="json", exclude_defaults=True)
    whole |= {"results": str(tmp_path / "results"), **yaml.safe_load(EVALUATED)}
    config.write_text(yaml.safe_dump(whole, sort_keys=False))
    study, options = load_study(config), ("--config", str(config), "--machines", str(table))
    before = plan(*options).stdout
    assert "Not yet priced, because no job is measured: words, new. Make one: " in before
    for name, seconds in zip(study.runs, (4, 6), strict=False):
        made = study.runs[name]
        for path, text in {
            study.paths.run(name) / "recipe.json": json.dumps({"digest": made.recipe.digest}),
            study.paths.run(name) / "result.json": "{}",
            study.paths.run(name) / "timing.json": '{"seconds": 60, "resumed": false}',
            study.paths.run(name) / "model.safetensors": "",
            study.paths.evaluation(name, "words"): "{}",
            study.paths.benchmark("evaluate_command", f"{name}/words"): f"s\n{seconds}.0\n",
        }.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    after = plan(*options).stdout
    (words,) = (line.split() for line in after.splitlines() if line.startswith("words "))
    jobs = len(study.runs)
    # 36 dollars an hour are a cent a second.
    left = 5 * (jobs - 2)
    assert words[:5] == ["words", str(jobs), "2", "5", "s"]
    assert duration(left) in " ".join(words)
    assert words[-1] == f"${left / 100:.2f}"
    assert "Not yet priced, because no job is measured: new. Make one: " in after
    assert "runs/baseline-1/evaluations/new.json" in after
