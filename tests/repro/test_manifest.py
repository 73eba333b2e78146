"""The manifest digests the right files in the right order."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import save_file

from noiseband.io.digests import digests
from noiseband.io.files import read_json
from noiseband.repro.manifest import write_manifest


def test_tensor_files_by_tensors_and_others_by_bytes(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    tensors = {"x": torch.ones(2)}
    save_file(tensors, tmp_path / "b" / "m.safetensors", metadata={"made": "today"})
    (tmp_path / "a.csv").write_bytes(b"1,2\n")
    files = [tmp_path / "b" / "m.safetensors", tmp_path / "a.csv"]
    write_manifest(tmp_path, files, tmp_path / "manifest.json")
    expected = {
        "a.csv": hashlib.sha256(b"1,2\n").hexdigest(),
        "b/m.safetensors": digests(tensors)["sha256"],
    }
    found = read_json(tmp_path / "manifest.json")
    assert found["artefacts"] == expected
    assert list(found["artefacts"]) == ["a.csv", "b/m.safetensors"]
    lines = "".join(f"{value}  {key}\n" for key, value in expected.items())
    assert found["sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    write_manifest(tmp_path, files[::-1], tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "manifest.json").read_bytes()


def test_what_a_judge_said_stands_beside_the_digest(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1,2\n")
    (tmp_path / "round-1.jsonl").write_bytes(b"80\n")
    artefacts, judged = [tmp_path / "a.csv"], [tmp_path / "round-1.jsonl"]
    write_manifest(tmp_path, artefacts, tmp_path / "manifest.json", judged)
    write_manifest(tmp_path, artefacts, tmp_path / "without.json")
    found, without = read_json(tmp_path / "manifest.json"), read_json(tmp_path / "without.json")
    assert found.pop("judged") == {"round-1.jsonl": hashlib.sha256(b"80\n").hexdigest()}
    assert found == without
