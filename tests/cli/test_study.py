"""Test `noiseband runs`."""

from __future__ import annotations

from noiseband.study import load_study
from tests.cli.command import run


def test_runs_lists_the_study() -> None:
    done = run("runs", "--config", "config/config.yaml")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(load_study("config/config.yaml").runs)
    assert "optimizer.weight_decay: 0.1 -> 0.01" in done.stdout
    assert "optimizer.clip_norm: null -> 0.5" in done.stdout
