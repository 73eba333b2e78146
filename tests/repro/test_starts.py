"""Runs with the same start are found, and so are interventions that change the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.io.digests import digests
from noiseband.io.files import write_json
from noiseband.io.tables import read_rows
from noiseband.repro.starts import RunStart, SharedTensors, verify_starts
from noiseband.study import parse_study
from noiseband.study.params import StartParams, StartsParams

SHARED = torch.ones(3)
FILES: dict[str, dict[str, Tensor]] = {
    "plain": {"a": SHARED, "b": torch.zeros(2)},
    "biased": {"a": SHARED, "b": torch.zeros(2), "c": torch.ones(1)},
    "smaller": {"a": SHARED},
    "other": {"a": SHARED, "b": torch.ones(2), "c": torch.ones(1)},
}


def verify(
    folder: Path, runs: list[tuple[str, str, str | None]], mismatch: Any = "stop"
) -> tuple[list[str], list[RunStart], list[SharedTensors]]:
    paths = []
    for name, tensors in FILES.items():
        paths.append(folder / f"{name}.json")
        write_json(paths[-1], digests(tensors))
    params = StartsParams(
        runs=[StartParams(run=r, start=s, compared_with=c) for r, s, c in runs],
        on_mismatch=mismatch,
    )
    out, pairs = folder / "init.csv", folder / "starts.csv"
    complaints = verify_starts(params, paths, out, pairs)
    return complaints, read_rows(out, RunStart), read_rows(pairs, SharedTensors)


def test_the_table_tells_shared_new_gone_and_moved_tensors(tmp_path: Path) -> None:
    runs = [
        ("base", "plain", "base"), ("rerun", "plain", "base"), ("qkv", "biased", "base"),
        ("tied", "smaller", "base"), ("odd", "other", "base"), ("alone", "other", None),
        ("more", "run:base", "base"),
    ]  # fmt: skip
    complaints, rows, _ = verify(tmp_path, runs)
    assert complaints == []
    found = {r.run: (r.comparison, r.shared, r.new, r.gone, r.moved, r.first_moved) for r in rows}
    assert found == {
        "base": ("same point", 2, 0, 0, 0, None),
        "rerun": ("same point", 2, 0, 0, 0, None),
        "qkv": ("same where both have it", 2, 1, 0, 0, None),
        "tied": ("same where both have it", 1, 0, 1, 0, None),
        "odd": ("moved", 1, 1, 0, 1, "b"),
        "alone": (None, None, None, None, None, None),
        "more": (None, None, None, None, None, None),
    }
    assert (rows[-1].start, rows[-1].init_sha256, rows[0].tensors) == ("run:base", None, 2)


def test_every_two_starting_points_are_counted(tmp_path: Path) -> None:
    _, _, pairs = verify(tmp_path, [("base", "plain", "base")])
    shared = {(pair.start, pair.other): (pair.shared, pair.tensors) for pair in pairs}
    assert len(shared) == 16
    assert shared["plain", "biased"] == (2, 2)
    assert shared["biased", "plain"] == (2, 3)
    assert shared["biased", "other"] == (2, 3)
    assert shared["other", "smaller"] == (1, 3)


def test_wrong_reference_weights_stop_or_warn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = "v512-c64-w48-h4-l3-reference-42"
    monkeypatch.setitem(FILES, start, {"a": SHARED})
    with pytest.raises(UserError, match=start):
        verify(tmp_path, [("run", start, None)])
    assert not (tmp_path / "init.csv").exists()
    complaints, rows, _ = verify(tmp_path, [("run", start, None)], "warn")
    assert len(complaints) == 1
    assert rows[0].reference == "different"


def test_a_run_is_compared_with_the_baseline_of_its_seed(study_data: dict[str, Any]) -> None:
    study_data["seeds"]["no-dropout"] = [22, [42, 23], 99]
    study_data["runs"].append({"name": "more", "continues": "baseline-22"})
    found = StartsParams.of(parse_study(study_data)).runs
    assert {one.run: one.compared_with for one in found} == {
        "baseline-42": "baseline-42",
        "baseline-22": "baseline-22",
        "baseline-42-23": "baseline-42-23",
        "clip-42": "baseline-42",
        "clip-22": "baseline-22",
        "no-dropout-22": "baseline-22",
        "no-dropout-42-23": "baseline-42-23",
        "no-dropout-99": None,
        "both-42": "baseline-42",
        "more": "baseline-22",
        "again": "baseline-42",
    }
