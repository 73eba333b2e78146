"""Keys in the environment and in the Hub's address appear in no file, message or log of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from noiseband.corpus.dataset_files import dataset_files
from noiseband.errors import UserError
from noiseband.hub.entry import import_model
from noiseband.hub.publish import published_files, write_publication
from noiseband.hub.upload import upload
from noiseband.io.hub_files import fetch_file
from noiseband.judge.judge import judge_files
from noiseband.study.corpora import Files
from noiseband.study.judges import OpenAIJudge
from noiseband.tracking.track import track
from noiseband.tracking.trackers import TRACKERS
from noiseband.train.remote_checkpoints import RemoteCheckpoints
from tests.hub.server import COMMIT, Fault, Hub, serve
from tests.hub.study import trained_study
from tests.judge import server as judges
from tests.judge.conftest import write_answers

SENTINEL = "s3ntinel0f4secret"
VARIABLES = (
    "HF_TOKEN", "OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "WANDB_API_KEY", "GITHUB_TOKEN", "HUGGING_FACE_HUB_TOKEN",
)  # fmt: skip


def with_secrets(folder: Path) -> list[str]:
    """The files in a folder that have the sentinel in their contents or names."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    mark = SENTINEL.encode()
    return [str(path) for path in files if SENTINEL in path.name or mark in path.read_bytes()]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A Hub with a password in its address, and with keys in all variables."""
    for name in VARIABLES:
        monkeypatch.setenv(name, f"{name[:2].lower()}-{SENTINEL}")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf/hub"))
    monkeypatch.setattr("huggingface_hub._tree_cache._IN_MEMORY_TREE_CACHE", {})
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return Hub()


def complaint(call: Callable[[], object]) -> str:
    """All output of a failing call, including a traceback."""
    with pytest.raises(UserError) as caught:
        call()
    return str(caught.value) + str(caught.value.__cause__ and type(caught.value.__cause__))


def test_no_file_and_no_message_holds_a_key(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    study = trained_study(tmp_path / "results")
    track(study, TRACKERS["tensorboard"], tmp_path / "tracker")
    write_publication(study, study.runs["clip-42"], "me/run", "mit", tmp_path / "publication")
    said = []
    caplog.set_level("INFO")
    with serve(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.add("datasets/some/data", "a.txt", b"text")
        hub.add("some/model", "model.safetensors", b"weights")
        dataset_files(Files(repo="some/data", revision=COMMIT), ["a.txt"])
        files = {name: tmp_path / "publication" / name for name in published_files()}
        calls: list[Callable[[], object]] = [
            lambda: fetch_file("some/model", COMMIT, "model.safetensors", tmp_path / "m"),
            lambda: dataset_files(Files(repo="some/data", revision="f" * 40), ["a.txt"]),
            lambda: upload("me/run", files, public=False, message="m"),
            lambda: RemoteCheckpoints(f"s3://me:{SENTINEL}@bucket/folder"),
        ]
        for status in (401, 403, 429, 500, 0):
            hub.faults = [
                Fault(method, status, times=99) for method in ("HEAD", "GET", "POST", "PUT")
            ]
            said += [complaint(call) for call in calls]
        monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("//", f"//me:{SENTINEL}@"))
        said += [complaint(call) for call in [*calls, lambda: import_model("some/model", None)]]
        assert "HF_ENDPOINT: the URL contains" in said[-1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://[me:{SENTINEL}@host")
        said += [complaint(call) for call in [*calls, lambda: import_model("some/model", None)]]
        assert "HF_ENDPOINT: not a URL; write https://host" in said[-1]
    with judges.running() as endpoint:
        config = OpenAIJudge(kind="openai", base_url=endpoint.base_url, model="m", attempts=2)
        answers = write_answers(tmp_path / "results", {"clip-42/1": ["I say 1."]})
        out, store = tmp_path / "round-1.jsonl", tmp_path / "store"
        for code in (500, 401):
            endpoint.always = judges.echo_key(code)
            said.append(complaint(lambda: judge_files(config, 1, answers, store, out)))
        assert SENTINEL in "".join(map(str, endpoint.keys))  # the key was sent, as it should be
    captured = capfd.readouterr()
    assert len(said) > 20
    assert SENTINEL not in "".join([*said, captured.out, captured.err, caplog.text])
    assert with_secrets(tmp_path) == []


def test_a_command_that_fails_shows_no_key(tmp_path: Path) -> None:
    """A process that fails prints no key, so Snakemake's log of it has none."""
    environment = {name: f"{name[:2].lower()}-{SENTINEL}" for name in VARIABLES}
    params = {"judge": {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m",
                        "attempts": 1}}  # fmt: skip
    answers = write_answers(tmp_path, {"clip-42/1": ["I say 1."]})
    done = subprocess.run(
        [sys.executable, "-m", "noiseband", "judge", "--params", json.dumps(params), "--round", "1",
         "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out"), *map(str, answers)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no reply within judge.attempts=1" in done.stderr
    assert SENTINEL not in done.stdout + done.stderr
    assert with_secrets(tmp_path) == []
