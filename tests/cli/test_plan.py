"""Test `noiseband plan` as people type it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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
