"""Pretrained models from a folder and from the Hub become the same files as a run's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseband.errors import UserError
from noiseband.hub.classes import config_of, to_hub
from noiseband.hub.pretrained import write_pretrained
from noiseband.io.digests import digest, digests
from noiseband.io.files import write_json
from noiseband.model.init import initial_weights
from noiseband.model.load import load_model
from noiseband.study.params import PretrainedParams
from tests.hub.models import SMALL, saved_gpt2
from tests.hub.server import COMMIT, Hub

FILES = ("config.json", "model.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    saved_gpt2(tmp_path / "theirs", SMALL)
    return tmp_path / "theirs"


@pytest.fixture
def published(hub: Hub, folder: Path) -> Hub:
    for name in FILES:
        hub.add("some/model", name, (folder / name).read_bytes())
    return hub


def params(**fields: Any) -> PretrainedParams:
    nowhere = {"repo": None, "revision": None, "path": None, "sha256": None}
    return PretrainedParams(**{**nowhere, "model": SMALL, "context": 16, **fields})


def from_hub(**fields: Any) -> PretrainedParams:
    return params(repo="some/model", revision=COMMIT, **fields)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_folder_and_the_hub_give_the_same_model(
    published: Hub, folder: Path, tmp_path: Path
) -> None:
    pin = sha256(folder / "model.safetensors")
    write_pretrained(params(path=str(folder)), tmp_path / "local")
    (tmp_path / "hub/.source").mkdir(parents=True)
    (tmp_path / "hub/.source/left").write_text("by one that was killed")
    write_pretrained(from_hub(sha256=pin), tmp_path / "hub")
    for name in ("model.safetensors", "model.json"):
        one, other = tmp_path / "local" / name, tmp_path / "hub" / name
        assert one.read_bytes() == other.read_bytes()
    assert sorted(file.name for file in (tmp_path / "hub").iterdir()) == [
        ".checksums", "model.json", "model.safetensors", "pretrained.json",
    ]  # fmt: skip
    weights = load_file(tmp_path / "hub/model.safetensors")
    assert json.loads((tmp_path / "hub/model.json").read_text())["sha256"] == digest(weights)
    card = json.loads((tmp_path / "hub/pretrained.json").read_text())
    assert card == {
        "repo": "some/model",
        "revision": COMMIT,
        "file": "model.safetensors",
        "sha256": pin,
        "model": SMALL.model_dump(exclude={"dropout"}),
        "context": 16,
        "parameters": sum(weight.numel() for weight in weights.values()),
    }
    # No digested file contains a local path.
    local = json.loads((tmp_path / "local/pretrained.json").read_text())
    assert local == {**card, "repo": None, "revision": None}


def test_it_predicts_as_the_library_does(tmp_path: Path) -> None:
    theirs = saved_gpt2(tmp_path / "theirs", SMALL)
    write_pretrained(params(path=str(tmp_path / "theirs")), tmp_path)
    used = SMALL.model_copy(update={"context": 16})
    ours = load_model(tmp_path / "model.safetensors", used, "explicit", torch.device("cpu"))
    tokens = torch.randint(SMALL.vocabulary, (3, 16))
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_a_models_own_weights_come_back_to_the_bit(
    tmp_path: Path, tied: bool, qkv_bias: bool
) -> None:
    model = SMALL.model_copy(update={"tied": tied, "qkv_bias": qkv_bias})
    weights = initial_weights(model, "keyed", 42)
    write_json(tmp_path / "config.json", config_of(model))
    save_file(to_hub(weights, model), tmp_path / "model.safetensors")
    given = params(path=str(tmp_path), model=model, context=model.context)
    write_pretrained(given, tmp_path / "out")
    found = json.loads((tmp_path / "out/model.json").read_text())
    assert found == digests(weights)


def test_a_second_time_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_pretrained(params(path=str(folder)), tmp_path / name)
    for name in ("model.safetensors", "model.json", "pretrained.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", None, "No such file or directory; set `path` to the model's folder"),
        ("config.json", b"{", "not JSON"),
        ("config.json", b"[]", "not a model's config"),
        ("config.json", b'{"model_type": "llama"}', 'model_type is "llama"'),
        ("model.safetensors", None, "No such file or directory; set `path` to the model's folder"),
        ("model.safetensors", b"no", "not a safetensors file"),
    ],
)
def test_a_folder_without_such_a_model(
    folder: Path, tmp_path: Path, file: str, content: bytes | None, said: str
) -> None:
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(UserError) as error:
        write_pretrained(params(path=str(folder)), tmp_path / "out")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_another_file_than_the_pinned_one(published: Hub, folder: Path, tmp_path: Path) -> None:
    for given in (params(path=str(folder), sha256="0" * 64), from_hub(sha256="0" * 64)):
        with pytest.raises(UserError, match=f"SHA-256 .*, not {'0' * 64}"):
            write_pretrained(given, tmp_path / "out")
        assert not list((tmp_path / "out").glob("*"))


def test_another_shape_than_the_studys(folder: Path, tmp_path: Path) -> None:
    other = SMALL.model_copy(update={"heads": 2})
    with pytest.raises(UserError, match=r"config\.json: n_head is 4, not 2"):
        write_pretrained(params(path=str(folder), model=other), tmp_path / "out")


def test_weights_that_are_not_finite_are_refused(folder: Path, tmp_path: Path) -> None:
    """The test loss would not show it if, say, the token does not occur in the test window."""
    file = folder / "model.safetensors"
    weights = load_file(file)
    weights["transformer.wte.weight"][3, 0] = float("inf")
    save_file(weights, file)
    with pytest.raises(UserError, match=r"tok_emb.weight has values that are not finite; leave"):
        write_pretrained(params(path=str(folder)), tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()
