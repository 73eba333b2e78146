"""A published model becomes an entry of a study, with checked digests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save, save_file

from noiseband.errors import UserError
from noiseband.hub.entry import complaints, import_model
from noiseband.hub.pretrained import write_pretrained
from noiseband.hub.publish import published_files, write_publication
from noiseband.io.digests import digest
from noiseband.io.files import read_json
from noiseband.model.init import initial_weights
from noiseband.study import Study, load_study
from noiseband.study.params import PretrainedParams
from tests.hub.models import SMALL, saved_gpt2
from tests.hub.server import COMMIT
from tests.hub.study import config, copied, evaluate
from tests.hub.upload import WritableHub

OTHER = "f" * 40


@pytest.fixture(params=["clip-42", "bias-42", "qwen-42"])
def run(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def published(writable: WritableHub, finished: Study, run: str, tmp_path: Path) -> WritableHub:
    """A run, published on the Hub."""
    out = tmp_path / "out"
    write_publication(finished, finished.runs[run], "me/run", "apache-2.0", out)
    for name in published_files():
        writable.add("me/run", name, (out / name).read_bytes())
    return writable


def test_the_imported_run_has_the_same_bits_and_the_same_loss(
    published: WritableHub, finished: Study, run: str, tmp_path: Path
) -> None:
    found = import_model("me/run", None)
    own = finished.results / "runs" / run
    assert found.source.revision == COMMIT
    assert found.source.model.qkv_bias == (run == "bias-42")
    assert found.source.layout == ("llama" if run == "qwen-42" else "gpt2")
    assert found.records["recipe.json"]["digest"] == finished.runs[run].built_in.digest
    # The entry as `noiseband import` prints it goes into the config of a study.
    text = yaml.safe_dump({**config(tmp_path / "r"), "pretrained": {"theirs": found.entry()}})
    copied(finished, tmp_path / "r")
    (tmp_path / "study.yaml").write_text(text)
    study = load_study(tmp_path / "study.yaml")
    assert study.pretrained["theirs"].source == found.source
    assert not complaints(finished, "theirs", found)
    folder = study.results / "runs/theirs"
    write_pretrained(PretrainedParams.of(study.pretrained["theirs"]), folder)
    assert (folder / "model.json").read_bytes() == (own / "model.json").read_bytes()
    assert digest(load_file(folder / "model.safetensors")) == found.source.weights_sha256
    evaluate(study, "theirs")
    assert read_json(folder / "test_loss.json") == read_json(own / "test_loss.json")


@pytest.mark.parametrize("run", ["clip-42"])
def test_weights_that_are_not_those_of_the_digest(
    published: WritableHub, finished: Study, run: str
) -> None:
    other = finished.results.parent / "other"
    write_publication(finished, finished.runs["baseline-42"], "me/run", "mit", other)
    name = "model.safetensors"
    published.add("me/run", name, (other / name).read_bytes())
    with pytest.raises(
        UserError, match=r"its weights have the digest .* but noiseband/model\.json"
    ):
        import_model("me/run", None)


@pytest.mark.parametrize("run", ["clip-42"])
def test_another_vocabulary_or_name(published: WritableHub, finished: Study, run: str) -> None:
    found = import_model("me/run", COMMIT)
    assert "has a model of this name" in complaints(finished, "clip-42", found)[0]
    found.records["provenance.json"]["inputs"]["vocabulary"] = "0" * 64
    assert "trained on another vocabulary than" in complaints(finished, "theirs", found)[0]
    larger = found.source.model_copy(
        update={"model": found.source.model.model_copy(update={"vocabulary": 50257})}
    )
    assert "pretrained.theirs.model" in complaints(finished, "theirs", type(found)(larger, {}))[0]


def test_the_authors_own_weights(writable: WritableHub, tmp_path: Path) -> None:
    weights = initial_weights(SMALL.model_copy(update={"tied": False}), "keyed", 42)
    writable.add("an/author", "checkpoint/weights.safetensors", save(weights))
    with pytest.raises(UserError, match=r"an/author: give --heads"):
        import_model("an/author", None, "checkpoint/weights.safetensors")
    found = import_model("an/author", None, "checkpoint/weights.safetensors", heads=4)
    entry = json.loads(json.dumps(found.entry()))
    assert entry["layout"] == "reference"
    assert entry["weights_sha256"] == digest(weights)
    params = PretrainedParams(**entry | {"path": None, "context": 24, "model": found.source.model})
    write_pretrained(params, tmp_path / "run")
    assert read_json(tmp_path / "run/model.json")["sha256"] == digest(weights)
    assert read_json(tmp_path / "run/pretrained.json")["file"] == "checkpoint/weights.safetensors"
    # The same weights are read from a folder without a config.json.
    (tmp_path / "theirs").mkdir()
    save_file(weights, tmp_path / "theirs/model.safetensors")
    local = {"repo": None, "revision": None, "path": str(tmp_path / "theirs"), "sha256": None}
    changed = params.model_copy(update={**local, "file": "model.safetensors"})
    write_pretrained(changed, tmp_path / "again")
    assert read_json(tmp_path / "again/model.json") == read_json(tmp_path / "run/model.json")
    wrong = changed.model_copy(update={"weights_sha256": "0" * 64})
    with pytest.raises(UserError, match=f"have the digest {digest(weights)}, not {'0' * 64}"):
        write_pretrained(wrong, tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_any_gpt2(writable: WritableHub, tmp_path: Path) -> None:
    theirs: Any = saved_gpt2(tmp_path / "theirs", SMALL)
    for name in ("config.json", "model.safetensors"):
        writable.add("some/model", name, (tmp_path / "theirs" / name).read_bytes())
    found = import_model("some/model", "main")
    assert found.source.model == SMALL
    assert found.source.layout == "gpt2"
    assert not found.records
    parameters = dict(theirs.named_parameters())
    assert torch.equal(parameters["transformer.wte.weight"], theirs.lm_head.weight)


@pytest.mark.parametrize(
    ("repo", "revision", "said"),
    [
        ("some/other", None, "no such repository"),
        ("some/model", OTHER, "no such revision"),
        ("some/model/x", None, "write it as owner/name"),
        ("some/model", None, "no such file"),
    ],
)
def test_what_is_not_there(
    writable: WritableHub, repo: str, revision: str | None, said: str
) -> None:
    writable.add("some/model", "README.md", b"no weights")
    with pytest.raises(UserError) as error:
        import_model(repo, revision)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_damaged(writable: WritableHub) -> None:
    writable.add("some/model", "config.json", b"{")
    writable.add("some/model", "model.safetensors", b"no")
    with pytest.raises(UserError, match=r"some/model: config\.json: not JSON"):
        import_model("some/model", None)
    writable.add("some/new", "config.json", b"[]")
    with pytest.raises(UserError, match=r"some/new: config\.json: not an object"):
        import_model("some/new", None)
    writable.add("some/newer", "model.safetensors", b"no")
    with pytest.raises(UserError, match="not a safetensors file"):
        import_model("some/newer", None)


def test_no_server(writable: WritableHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached"):
        import_model("some/model", None)
