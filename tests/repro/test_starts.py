"""Which runs start together, and what happens to reference weights that are not the reference's."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from noiseband.errors import UserError
from noiseband.files import write_json
from noiseband.repro.digest import digests
from noiseband.repro.starts import COLUMNS, verify_starts

SHARED = torch.ones(3)


def test_the_table_counts_shared_tensors(tmp_path: Path) -> None:
    files = {
        "plain": {"a": SHARED, "b": torch.zeros(2)},
        "biased": {"a": SHARED, "b": torch.zeros(2), "c": torch.ones(1)},
        "moved": {"a": SHARED, "b": torch.ones(2)},
    }
    for name, tensors in files.items():
        write_json(tmp_path / f"{name}.json", digests(tensors))
    starts = [("base", "plain"), ("rerun", "plain"), ("qkv", "biased"), ("other", "moved")]
    paths = [tmp_path / f"{name}.json" for name in files]
    assert verify_starts(starts, "base", paths, tmp_path / "init.csv", "stop") == []
    with open(tmp_path / "init.csv") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    shared = {
        run: (row["shared_with_baseline"], row["first_different"]) for run, row in rows.items()
    }
    assert shared == {"base": ("2", ""), "rerun": ("2", ""), "qkv": ("2", "c"), "other": ("1", "b")}


def test_wrong_reference_weights_stop_or_warn(tmp_path: Path) -> None:
    start = "v512-c64-w48-h4-l3-reference-42"
    write_json(tmp_path / f"{start}.json", digests({"a": SHARED}))
    arguments = [("run", start)], "run", [tmp_path / f"{start}.json"], tmp_path / "init.csv"
    with pytest.raises(UserError, match="without AVX2") as raised:
        verify_starts(*arguments, "stop")
    assert start in str(raised.value)
    assert not (tmp_path / "init.csv").exists()
    assert len(verify_starts(*arguments, "warn")) == 1
    assert "different" in (tmp_path / "init.csv").read_text()


def test_a_run_from_anothers_weights_says_whose_and_no_more(tmp_path: Path) -> None:
    write_json(tmp_path / "plain.json", digests({"a": SHARED}))
    starts = [("base", "plain"), ("more", "run:base")]
    for baseline, shared in (("base", "1"), ("more", "")):
        verify_starts(starts, baseline, [tmp_path / "plain.json"], tmp_path / "init.csv", "stop")
        with open(tmp_path / "init.csv") as file:
            base, more = csv.DictReader(file)
        assert more == {**dict.fromkeys(COLUMNS, ""), "run": "more", "start": "run:base"}
        # Nobody's initial weights are compared with those of a baseline that was trained already.
        assert (base["tensors"], base["shared_with_baseline"]) == ("1", shared)
        assert base["first_different"] == ""
