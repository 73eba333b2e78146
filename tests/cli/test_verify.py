"""Test `noiseband verify` and `noiseband intact`."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from noiseband.io.files import write_text
from tests.cli.command import run


def test_verify_says_identical_or_where(tmp_path: Path) -> None:
    save_file({"w": torch.ones(3)}, tmp_path / "a.safetensors")
    save_file({"w": torch.tensor([1.0, 2.0, 1.0])}, tmp_path / "b.safetensors")
    same = run("verify", tmp_path / "a.safetensors", tmp_path / "a.safetensors")
    assert (same.returncode, same.stdout) == (0, "identical: 1 tensor\n")
    other = run("verify", tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert other.returncode == 1
    assert "different: w: different values" in other.stdout
    assert "first at [1]" in other.stdout


def test_intact_names_what_is_damaged_and_the_command(small: Path) -> None:
    results = small.parent / "results"
    odd = results / "runs" / "a b" / "model.json"
    for path in (odd, results / "tables" / "runs.csv"):
        write_text(path, "as written\n")
    done = run("intact", "--config", small)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{results}: all 2 files with a checksum are intact\n"
    odd.write_text("as writteN\n")
    done = run("intact", "--config", small)
    assert (done.returncode, done.stdout) == (1, f"{odd}\n")
    option = f"--config {small}"
    assert done.stderr == f"make them again: rm '{odd}' && noiseband run '{odd}' {option}\n"
    # No rule makes files in work/, and a folder with its own runs/ belongs to another study.
    kept = results / "work" / "judge" / "reply.json"
    inside = results / "mine" / "runs" / "a" / "model.json"
    for path in (kept, inside):
        write_text(path, "as written\n")
        path.write_text("as writteN\n")
    write_text(odd, "as written\n")
    done = run("intact", "--config", small)
    assert (done.returncode, done.stdout) == (1, f"{kept}\n")
    assert done.stderr == f"make them again: rm {kept}\n"
