"""Test export, publish and import as people type them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner, Result

from noiseband.cli import app
from noiseband.hub.export import FILES
from noiseband.hub.publish import published_files
from noiseband.io.files import read_json
from noiseband.study import Study
from tests.cli import command
from tests.hub.study import config
from tests.hub.upload import TOKEN, WritableHub


@pytest.fixture(scope="module")
def study_file(finished: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("config") / "study.yaml"
    file.write_text(yaml.safe_dump(config(finished.results)))
    return file


def run(*arguments: object) -> Result:
    with patch.dict(os.environ):
        return CliRunner().invoke(app, list(map(str, arguments)))


def test_export_of_a_run_and_of_its_folder(
    finished: Study, study_file: Path, tmp_path: Path
) -> None:
    named, folder = tmp_path / "named", tmp_path / "folder"
    assert run("export", "bias-42", named, "--config", study_file).exit_code == 0
    own = finished.results / "runs/bias-42"
    assert run("export", own, folder, "--config", study_file).exit_code == 0
    for name in FILES:
        assert (named / name).read_bytes() == (folder / name).read_bytes()
    assert AutoModelForCausalLM.from_pretrained(named).config.n_embd == 16


def test_export_of_a_fine_tuned_model(finished: Study, study_file: Path, tmp_path: Path) -> None:
    tuned = finished.results / "runs/clip-42/ift/short/7"
    tuned.mkdir(parents=True)
    weights = finished.results / "runs/clip-42/model.safetensors"
    (tuned / "model.safetensors").write_bytes(weights.read_bytes())
    data = yaml.safe_load(study_file.read_text())
    protocol = {"instructions": "rows", "epochs": 1, "patience": None, "dropout": 0.0}
    data["finetuning"] = {
        "instructions": {"rows": {"kind": "file", "path": "rows.json", "train": 8, "test": 4}},
        "protocols": {"short": {**protocol, "seeds": [7]}},
    }
    other = tmp_path / "study.yaml"
    other.write_text(yaml.safe_dump(data))
    done = run("export", "clip-42/short/7", tmp_path / "out", "--config", other)
    assert done.exit_code == 0, done.exception
    run("export", "clip-42", tmp_path / "run", "--config", other)
    one, two = (tmp_path / name / "model.safetensors" for name in ("out", "run"))
    assert one.read_bytes() == two.read_bytes()
    done = run("export", "bias-42/short/7", tmp_path / "no", "--config", other)
    assert "runs/bias-42/ift/short/7/model.safetensors is not there yet" in str(done.exception)


def test_publish_says_first_and_sends_on_demand(
    finished: Study, study_file: Path, writable: WritableHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    dry = run("publish", "clip-42", "me/run", "--config", study_file)
    assert dry.exit_code == 0, dry.exception
    assert not writable.requests
    folder = finished.results / "work/publish/clip-42"
    for name in published_files():
        size = (folder / name).stat().st_size
        assert f"{name} " in dry.stdout
        assert f"{size:,} bytes" in dry.stdout
    assert "Nothing was sent." in dry.stdout
    assert "(private if it is new)" in dry.stdout

    sent = run("publish", "clip-42", "me/run", "--config", study_file, "--push")
    assert "HF_TOKEN is not set" in str(sent.exception)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    sent = run("publish", "clip-42", "me/run", "--config", study_file, "--push")
    assert sent.exit_code == 0, sent.exception
    commit = writable.head["me/run"]
    assert f"noiseband import me/run --revision {commit}" in sent.stdout
    assert TOKEN not in sent.output

    got = run("import", "me/run", "--config", study_file)
    assert got.exit_code == 0, got.exception
    entry = yaml.safe_load(got.stdout)["pretrained"]["run"]
    assert entry["revision"] == commit
    digests = read_json(finished.results / "runs/clip-42/model.json")
    assert entry["weights_sha256"] == digests["sha256"]
    assert "clip-42 of this study has the same recipe" in got.stderr
    loss = read_json(finished.results / "runs/clip-42/test_loss.json")["test_loss_text"]
    assert f"published test loss {loss}" in got.stderr
    assert json.loads(json.dumps(entry))["model"]["width"] == 16


def test_mistakes_are_one_line(study_file: Path, tmp_path: Path) -> None:
    def said(*arguments: object) -> str:
        done = command.run(*map(str, arguments), "--config", study_file)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
        return done.stderr

    assert "did you mean clip-42?" in said("export", "clp-42", tmp_path / "x")
    assert "no run of small; did you mean clip-42?" in said("publish", "clip-4", "me/run")
