"""The real client with a local Hub: correct files, and every way in which a download can fail."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.io.hub_files import TRIES, fetch_file
from tests.hub.server import COMMIT, REFUSALS, Fault, Hub

CONTENT = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TOKEN = "hf_" + "s" * 34


@pytest.fixture(autouse=True)
def model(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("some/model", "model.safetensors", CONTENT)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def fetch(out: Path, revision: str = COMMIT, **options: object) -> None:
    fetch_file("some/model", revision, "model.safetensors", out, **options)  # type: ignore[arg-type]


def refused(out: Path, call: Callable[[], None]) -> str:
    """The message of a fetch that fails and leaves no files."""
    with pytest.raises(UserError) as error:
        call()
    assert not out.exists()
    assert not list(out.parent.glob(".*tmp"))
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_file_arrives_whole_and_a_second_time_from_the_cache(hub: Hub, tmp_path: Path) -> None:
    fetch(tmp_path / "a/model.safetensors", sha256=SHA256)
    assert (tmp_path / "a/model.safetensors").read_bytes() == CONTENT
    asked = len(hub.requests)
    fetch(tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == CONTENT
    assert len(hub.requests) == asked


def test_a_data_set_is_another_repository(hub: Hub, tmp_path: Path) -> None:
    hub.add("datasets/some/model", "data/a.json", b"[1]")
    fetch_file("some/model", COMMIT, "data/a.json", tmp_path / "a.json", repo_type="dataset")
    assert (tmp_path / "a.json").read_bytes() == b"[1]"


def test_a_branch_is_refused_unless_asked_for(hub: Hub, tmp_path: Path) -> None:
    hub.add("some/model", "model.safetensors", b"new", revision="main")
    message = refused(tmp_path / "m", lambda: fetch(tmp_path / "m", "main"))
    assert "some/model: revision 'main' may move; give the commit's 40 hex digits" in message
    assert not hub.requests
    fetch(tmp_path / "m", "main", unpinned=True)
    assert (tmp_path / "m").read_bytes() == b"new"


def test_another_digest(tmp_path: Path) -> None:
    message = refused(tmp_path / "m", lambda: fetch(tmp_path / "m", sha256="0" * 64))
    assert f"has SHA-256 {SHA256}, not {'0' * 64}" in message
    # The remedy works: after the named file is deleted, the next fetch downloads it again.
    blob = Path(message.rpartition("rm ")[2])
    blob.unlink()
    fetch(tmp_path / "m", sha256=SHA256)


@pytest.mark.parametrize(("status", "headers", "said"), REFUSALS)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_server_that_refuses(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    status: int,
    headers: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.faults.append(Fault(method, status, headers, times=1000))
    message = refused(tmp_path / "m", lambda: fetch(tmp_path / "m"))
    assert said in message
    assert "model.safetensors of some/model at 0123" in message
    assert TOKEN not in message
    assert {one[2] for one in hub.requests} == {f"Bearer {TOKEN}"}
    assert len(hub.requests) < 25


@pytest.mark.parametrize(
    ("repo", "file", "revision", "said"),
    [
        ("some/other", "model.safetensors", COMMIT, "no such repository"),
        ("some/model", "model.bin", COMMIT, "no such file"),
        ("some/model", "model.safetensors", "f" * 40, "no such revision"),
        ("some/model/x", "model.safetensors", COMMIT, "write it as owner/name"),
    ],
)
def test_what_is_not_there(
    hub: Hub, tmp_path: Path, repo: str, file: str, revision: str, said: str
) -> None:
    message = refused(tmp_path / "m", lambda: fetch_file(repo, revision, file, tmp_path / "m"))
    assert said in message
    assert len(hub.requests) <= 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("HEAD", 503, times=3),
        Fault("HEAD", 429, {"Retry-After": "2"}, times=2),
        Fault("GET", 502, times=TRIES - 1),
        Fault("GET", 429, times=2),
        Fault("GET", times=3),
        Fault("GET", 0, times=3),
    ],
    ids=["head-503", "head-429", "get-502", "get-429", "cut-off", "hung-up"],
)
def test_a_passing_failure_is_retried(hub: Hub, tmp_path: Path, fault: Fault) -> None:
    hub.faults.append(fault)
    fetch(tmp_path / "m", sha256=SHA256)
    assert fault.times == 0
    assert (tmp_path / "m").read_bytes() == CONTENT


def test_a_body_that_never_comes_whole(hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault("GET", times=10_000))
    message = refused(tmp_path / "m", lambda: fetch(tmp_path / "m"))
    assert "the download broke off (RemoteProtocolError); run again" in message
    assert hub.asked("GET") < 100


def test_no_server(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    message = refused(tmp_path / "m", lambda: fetch(tmp_path / "m"))
    assert "the Hub cannot be reached" in message


def test_offline_takes_the_cache_and_asks_nothing(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = refused(tmp_path / "m", lambda: fetch(tmp_path / "m"))
    assert "HF_HUB_OFFLINE is set" in message
    assert not hub.requests
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    fetch(tmp_path / "m")
    asked = len(hub.requests)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    fetch(tmp_path / "n")
    assert len(hub.requests) == asked


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")


def other_file_system(source: object, target: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


def test_a_file_takes_no_room_beside_the_cache(tmp_path: Path) -> None:
    fetch(tmp_path / "m")
    fetch(tmp_path / "n")
    (blob,) = (path for path in tmp_path.rglob("blobs/*"))
    assert blob.samefile(tmp_path / "m")
    assert blob.stat().st_nlink == 3
    (tmp_path / "m").unlink()
    assert (tmp_path / "n").read_bytes() == blob.read_bytes() == CONTENT


def test_a_file_that_was_downloaded_long_ago_is_made_now(tmp_path: Path) -> None:
    fetch(tmp_path / "m")
    os.utime(tmp_path / "m", (1, 1))
    fetch(tmp_path / "n")
    # Otherwise Snakemake could take the file for older than the rule's inputs.
    assert (tmp_path / "n").stat().st_mtime > 1e9


def test_another_file_system_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.link", other_file_system)
    fetch(tmp_path / "m")
    (blob,) = (path for path in tmp_path.rglob("blobs/*"))
    assert not blob.samefile(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == CONTENT


def test_a_cache_that_has_rotted(hub: Hub, tmp_path: Path) -> None:
    fetch(tmp_path / "m")
    (blob,) = (path for path in tmp_path.rglob("blobs/*"))
    blob.write_bytes(CONTENT[:-1] + b"?")
    (tmp_path / "m").unlink()
    message = refused(tmp_path / "m", lambda: fetch(tmp_path / "m"))
    assert f"but the Hub has {SHA256}; delete the damaged copy and run again: rm {blob}" in message
    blob.unlink()
    fetch(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == CONTENT


@FULL
def test_a_full_disk_for_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = open
    monkeypatch.setattr("os.link", other_file_system)
    monkeypatch.setattr(
        "builtins.open",
        lambda path, *a, **k: real("/dev/full" if str(path).endswith(".tmp") else path, *a, **k),
    )
    message = refused(tmp_path / "m", lambda: fetch(tmp_path / "m"))
    assert "no space left on the disk" in message
    assert os.strerror(errno.ENOSPC) not in message


@FULL
def test_a_full_disk_for_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, *a, **k: real(
            Path("/dev/full") if path.suffix == ".incomplete" else path, *a, **k
        ),
    )
    message = refused(tmp_path / "m", lambda: fetch(tmp_path / "m"))
    assert "no space left on the disk" in message
    assert not [*tmp_path.rglob("blobs/*")]
