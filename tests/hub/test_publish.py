"""A run is published to a local Hub with the real client, and comes back byte for byte."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from noiseband.errors import NotMadeError, UserError
from noiseband.hub.publish import published_files, write_publication
from noiseband.hub.upload import TRIES, upload
from noiseband.io.hub_files import fetch_file
from noiseband.model.load import load_model
from noiseband.study import Run, Study, load_study
from tests.hub.server import Fault
from tests.hub.study import copied
from tests.hub.upload import TOKEN, WritableHub

COMMIT = "POST /api/models/me/run/commit"
LARGE = ["model.safetensors", "noiseband/trace.parquet"]


@pytest.fixture(autouse=True)
def hub(writable: WritableHub, monkeypatch: pytest.MonkeyPatch) -> WritableHub:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return writable


@pytest.fixture(scope="module")
def folder(finished: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("publication")
    write_publication(finished, finished.runs["clip-42"], "me/run", "apache-2.0", out)
    return out


def push(folder: Path, public: bool = False) -> str:
    files = {name: folder / name for name in published_files()}
    return upload("me/run", files, public=public, message="clip-42 of small")


def test_it_comes_back_byte_for_byte(hub: WritableHub, folder: Path, tmp_path: Path) -> None:
    commit = push(folder)
    assert hub.head == {"me/run": commit}
    assert hub.private == {"me/run": True}
    assert hub.messages == ["clip-42 of small"]
    on_disk = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert sorted(hub.contents("me/run", commit)) == sorted(published_files()) == on_disk
    for name in published_files():
        fetch_file("me/run", commit, name, tmp_path / name)
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert AutoModelForCausalLM.from_pretrained(tmp_path).config.vocab_size == 512


def test_a_second_time_sends_nothing(hub: WritableHub, folder: Path) -> None:
    commit = push(folder)
    before = hub.sent()
    assert push(folder) == commit
    assert hub.messages == ["clip-42 of small"]
    assert hub.sent() == before == len(LARGE)
    assert hub.head["me/run"] == commit


def test_only_what_changed_is_sent(
    hub: WritableHub, folder: Path, finished: Study, tmp_path: Path
) -> None:
    push(folder)
    before, sent = hub.head["me/run"], hub.sent()
    write_publication(finished, finished.runs["clip-42"], "me/run", "mit", tmp_path)
    commit = push(tmp_path)
    assert commit != before
    assert hub.sent() == sent
    one, two = hub.contents("me/run", before), hub.contents("me/run", commit)
    assert [name for name in one if one[name] != two[name]] == ["README.md"]


def test_after_an_outage_the_same_command_goes_on(hub: WritableHub, folder: Path) -> None:
    hub.faults.append(Fault(COMMIT, 503, times=100))
    with pytest.raises(UserError, match=r"me/run: the Hub answered 503, still after retries; run"):
        push(folder)
    assert len(hub.large) == len(LARGE)
    assert hub.head == {"me/run": ""}
    hub.faults.clear()
    before = hub.sent()
    commit = push(folder)
    assert hub.sent() == before
    assert hub.contents("me/run", commit).keys() == set(published_files())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT /lfs", 500, times=2),
        Fault("PUT /lfs", times=2),
        Fault("PUT /lfs", 0, times=2),
        Fault(COMMIT, 500, times=TRIES - 1),
        Fault(COMMIT, 0, times=TRIES - 1),
        Fault("POST /api/models/me/run/preupload", 502, times=2),
        Fault("POST /api/repos", 503, times=TRIES - 1),
        Fault("POST /api", 500, times=TRIES - 1),
    ],
    ids=[
        "put-500", "put-cut", "put-hung-up", "commit-500", "commit-hung-up", "modes-502",
        "create-503", "validate-500",
    ],
)  # fmt: skip
def test_a_passing_failure_is_retried(hub: WritableHub, folder: Path, fault: Fault) -> None:
    hub.faults.append(fault)
    commit = push(folder)
    assert fault.times == 0
    assert hub.contents("me/run", commit).keys() == set(published_files())


@pytest.mark.parametrize(
    ("method", "status", "said"),
    [
        ("POST", 401, "does not know this token (401); set HF_TOKEN"),
        ("POST /api/repos", 403, "has no write access there (403); set HF_TOKEN"),
        (COMMIT, 403, "has no write access there (403)"),
        (COMMIT, 409, "someone else is committing there"),
        ("POST", 404, "no such owner (404)"),
        (COMMIT, 429, "limits the rate of requests (429)"),
        (COMMIT, 413, "the Hub answered 413"),
        ("PUT", 500, "the Hub answered 500"),
        ("PUT", 200, "the upload broke off"),
        (COMMIT, 0, "the upload broke off (RemoteProtocolError); run again"),
    ],
)
def test_a_hub_that_refuses(
    hub: WritableHub, folder: Path, method: str, status: int, said: str, caplog: Any, capfd: Any
) -> None:
    hub.faults.append(Fault(method, status, times=1000))
    with pytest.raises(UserError) as error:
        push(folder)
    message = str(error.value)
    assert message.startswith("me/run: ")
    assert said in message
    assert "\n" not in message
    spoken = capfd.readouterr()
    assert TOKEN not in message + caplog.text + spoken.out + spoken.err
    assert not hub.head.get("me/run")
    assert len(hub.requests) < 80


def test_a_token_is_needed_and_goes_to_the_hub_alone(
    hub: WritableHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(folder)
    for method, path, authorization in hub.requests:
        wanted = None if path.startswith("/lfs/") else f"Bearer {TOKEN}"
        assert authorization == wanted, (method, path)
    asked = len(hub.requests)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="HF_TOKEN is not set; make a token with write access"):
        push(folder)
    assert len(hub.requests) == asked
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    with pytest.raises(UserError, match="does not know this token"):
        push(folder)


def test_public_only_if_asked_for(hub: WritableHub, folder: Path) -> None:
    push(folder, public=True)
    assert hub.private == {"me/run": False}
    push(folder)  # an existing repository keeps its visibility
    assert hub.private == {"me/run": False}


def test_a_licence_that_the_hub_does_not_know(
    hub: WritableHub, finished: Study, tmp_path: Path
) -> None:
    write_publication(finished, finished.runs["clip-42"], "me/run", "My Own", tmp_path)
    with pytest.raises(UserError, match=r"refuses the head of README\.md; check --licence"):
        push(tmp_path)
    assert not hub.sent()


def test_names_that_are_none(folder: Path) -> None:
    with pytest.raises(UserError, match="write it as owner/name"):
        upload("me/run/x", {"README.md": folder / "README.md"}, public=False, message="m")


def test_the_config_beside_it_makes_the_same_run(finished: Study, folder: Path) -> None:
    text = (folder / "noiseband/config.json").read_text()
    assert str(finished.results) not in text
    found = load_study(folder / "noiseband/config.json")
    assert found.runs["clip-42"].built_in.digest == finished.runs["clip-42"].built_in.digest
    card = json.loads((folder / "noiseband/recipe.json").read_text())
    assert card["digest"] == finished.runs["clip-42"].built_in.digest


def test_no_place_on_this_disk_is_published(folder: Path, finished: Study) -> None:
    for name in published_files():
        content = (folder / name).read_bytes()
        assert str(finished.results).encode() not in content, name
        assert str(Path.cwd()).encode() not in content, name


def test_what_is_published_is_the_run(finished: Study, folder: Path) -> None:
    theirs: Any = AutoModelForCausalLM.from_pretrained(folder)
    run = finished.runs["clip-42"]
    weights = finished.results / "runs/clip-42/model.safetensors"
    ours = load_model(weights, run.model, "explicit", torch.device("cpu"))
    tokens = load_file(finished.results / "tokens/text/test.safetensors")["tokens"][:32].long()
    tokens = tokens.view(2, 16)
    with torch.no_grad():
        mine, its = ours(tokens), theirs(tokens).logits
    assert float((mine - its).abs().max() / mine.abs().max()) < 1e-5


def test_an_unfinished_run_is_not_published(finished: Study, tmp_path: Path) -> None:
    study = copied(finished, tmp_path / "r")
    (study.results / "runs/clip-42/test_loss.json").unlink()
    with pytest.raises(NotMadeError, match=r"clip-42/test_loss\.json is not there yet"):
        write_publication(study, study.runs["clip-42"], "me/run", "mit", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_plugins_of_a_run_are_published_too(finished: Study) -> None:
    run = finished.runs["clip-42"]

    def using(path: str) -> Run:
        recipe = run.built_in.model_copy(update={"plugins": {path: "0" * 64}})
        return replace(run, recipe=recipe)

    assert published_files(run=using("own/ideas.py")) == (*published_files(), "own/ideas.py")
    with pytest.raises(UserError, match="outside the study's folder"):
        published_files(run=using("../ideas.py"))
