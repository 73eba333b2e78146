"""`verify` works on everything that can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from noiseband.errors import UserError
from noiseband.io.digests import digests
from noiseband.io.files import write_json
from noiseband.io.traces import Row, write_trace
from noiseband.repro.manifest import write_manifest
from noiseband.repro.verify import verify
from noiseband.study import parse_study

WEIGHTS = {"tok_emb.weight": torch.ones(2, 3), "out_head.weight": torch.zeros(3)}


def run(folder: Path, last: float = 0.0, rate: float = 0.1, checksum: int = 1) -> Path:
    """Make a run's folder with the files that `verify` reads."""
    folder.mkdir()
    weights = {**WEIGHTS, "out_head.weight": torch.tensor([0.0, 0.0, last])}
    save_file(weights, folder / "model.safetensors")
    write_json(folder / "model.json", digests(weights))
    write_json(folder / "recipe.json", {"recipe": {"optimizer": {"learning_rate": rate}}})
    rows = [Row(i, 1.0, rate, 1.0, False, False, checksum * i) for i in range(3)]
    write_trace(folder / "trace.parquet", rows)
    return folder


def test_a_neutral_value_that_a_recipe_leaves_out_is_told(
    tmp_path: Path, study_data: dict[str, Any]
) -> None:
    folders = run(tmp_path / "a"), run(tmp_path / "b", last=0.25)
    for folder, order in zip(folders, ("sequential", "shuffled"), strict=True):
        study_data["recipe"]["data"]["order"] = order
        study_data["noise"] = {}
        study_data["seeds"]["baseline"] = [42]
        recipe = parse_study(study_data).runs["baseline-42"].built_in
        write_json(folder / "recipe.json", {"recipe": recipe.model_dump()})
    said = "recipes differ: data.order: sequential -> shuffled; data_seed: null -> 42"
    assert said in str(verify(*folders))


def test_two_runs(tmp_path: Path) -> None:
    a, same = run(tmp_path / "a"), run(tmp_path / "same")
    assert str(verify(a, same)) == "identical: 2 tensors"
    other = verify(a, run(tmp_path / "other", last=0.25, rate=0.2, checksum=5))
    assert not other.identical
    assert str(other).splitlines() == [
        "different: out_head.weight: different values",
        "  first at [2] (element 2 of the flat tensor)",
        "  first : 0.0 (0x00000000)",
        "  second: 0.25 (0x3e800000)",
        "  elements that differ: 1 of 3",
        "  largest difference: 0.25",
        "  tensors that differ: 1 of 2",
        "  recipes differ: optimizer.learning_rate: 0.1 -> 0.2",
        "  traces differ from step 0 on, first in learning_rate: "
        f"`noiseband diverge {a} {tmp_path / 'other'}` finds the tensor",
    ]


def test_equal_weights_after_different_traces_are_a_difference(tmp_path: Path) -> None:
    found = verify(run(tmp_path / "a"), run(tmp_path / "b", checksum=2))
    assert not found.identical
    assert "traces differ from step 1 on, first in weights_checksum" in str(found)


def test_files_folders_and_digests_of_one_thing_are_identical(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a"), run(tmp_path / "b", last=1.0)
    things = [a, a / "model.safetensors", a / "model.json"]
    assert all(verify(one, other).identical for one in things for other in things)
    for one in things:
        found = verify(one, b / "model.json" if one.suffix == ".json" else b / "model.safetensors")
        assert not found.identical
        assert found.headline == "different: out_head.weight: different values"


def test_manifests_are_listed_by_artefact(tmp_path: Path) -> None:
    for name, lines in {"a": "xyz", "b": "xwz"}.items():
        folder = tmp_path / name
        folder.mkdir()
        for number, line in enumerate(lines):
            (folder / f"{number}.txt").write_text(line)
        extra = folder / f"only-{name}.txt"
        extra.write_text("same")
        files = [path for path in folder.iterdir() if path.suffix == ".txt"]
        write_manifest(folder, files, folder / "manifest.json")
    a, b = (tmp_path / name / "manifest.json" for name in "ab")
    assert str(verify(a, a)) == "identical: 4 artefacts"
    found = verify(a, b)
    assert found.headline == "different: 3 of 5 artefacts"
    assert [line.split(":")[0] for line in found.details] == ["1.txt", "only-a.txt", "only-b.txt"]


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    a = run(tmp_path / "a")
    write_json(tmp_path / "manifest.json", {"sha256": "0", "artefacts": {}})
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "text.safetensors").write_text("not tensors")
    cases = {
        "manifest.json": "a manifest can only be compared with another manifest",
        "text.json": "text.json is damaged .not JSON",
        "text.safetensors": "not a readable safetensors file",
        "nothing": "neither a tensor file",
        "a/recipe.json": "neither a digest file",
    }
    for name, message in cases.items():
        with pytest.raises(UserError, match=message):
            verify(a, tmp_path / name)
