"""The download of a large file, through the real client, resumes after it was killed."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from noiseband.corpus.dataset_files import checked, dataset_files
from noiseband.errors import UserError
from noiseband.study.corpora import Files
from tests.hub.server import COMMIT, Fault, Hub

REPO, NAME = "datasets/some/tokens", "train.safetensors"
CONTENT = random.Random(2).randbytes(8_000_000)
SOURCE = Files(repo="some/tokens", revision=COMMIT)


@pytest.fixture(autouse=True)
def large(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(REPO, NAME, CONTENT)
    monkeypatch.setattr("noiseband.io.hub_resume.LARGE", len(CONTENT))
    monkeypatch.setattr("huggingface_hub._tree_cache._IN_MEMORY_TREE_CACHE", {})
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def fetched() -> bytes:
    (path,) = dataset_files(SOURCE, [NAME]).values()
    return path.read_bytes()


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Path]:
    """Path of the part of the file that has been downloaded."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    yield tmp_path / f"hf/hub/datasets--some--tokens/blobs/{digest}.part"


PROGRAM = f"""
import noiseband.io.hub_resume as resume
from noiseband.corpus.dataset_files import dataset_files
from noiseband.study.corpora import Files
resume.LARGE = 1
dataset_files(Files(repo="some/tokens", revision="{COMMIT}"), ["{NAME}"])
"""


def test_a_download_that_was_killed_goes_on(hub: Hub, part: Path) -> None:
    hub.stall_after = 5_000_000
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=os.environ.copy())
    end = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 3_000_000):
        assert process.poll() is None and time.monotonic() < end
    process.send_signal(signal.SIGKILL)
    process.wait()
    hub.stall_after = None
    have = part.stat().st_size
    assert part.read_bytes() == CONTENT[:have]
    hub.ranges.clear()
    assert fetched() == CONTENT
    assert [first for _, first in hub.ranges] == [have]
    assert not part.exists()


def test_a_connection_that_breaks_many_times_gets_there(hub: Hub, part: Path) -> None:
    fault = Fault("GET", times=12, path="/resolve/")  # Each sends half of what is left.
    hub.faults.append(fault)
    assert fetched() == CONTENT
    assert fault.times == 0
    assert [first for _, first in hub.ranges] == [
        len(CONTENT) - (len(CONTENT) + 2**k - 1) // 2**k for k in range(13)
    ]


def test_a_connection_that_gets_nowhere_is_given_up(hub: Hub, part: Path) -> None:
    hub.faults.append(Fault("GET", times=1000, path="/resolve/"))
    with pytest.raises(UserError, match="the download broke off"):
        fetched()
    assert part.stat().st_size == len(CONTENT) - 1
    hub.faults.clear()
    assert fetched() == CONTENT


def test_a_server_that_knows_no_ranges_sends_all_of_it(hub: Hub, part: Path) -> None:
    part.parent.mkdir(parents=True)
    part.write_bytes(b"something else")
    hub.ignores_ranges = True
    assert fetched() == CONTENT
    assert sum(path.endswith(NAME) for method, path, _ in hub.requests if method == "GET") == 1


def test_what_is_longer_than_the_file_is_thrown_away(hub: Hub, part: Path) -> None:
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT + b"?")
    assert fetched() == CONTENT


def test_a_beginning_that_has_rotted_is_found_out(hub: Hub, part: Path) -> None:
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * 1000)
    files = dataset_files(SOURCE, [NAME])
    with pytest.raises(UserError, match="delete the damaged copy and run again: rm "):
        checked(SOURCE, files)


def test_a_file_that_is_there_is_not_asked_about(hub: Hub) -> None:
    fetched()
    asked = len(hub.requests)
    fetched()
    assert len(hub.requests) == asked


def test_a_small_file_is_the_clients_own(
    hub: Hub, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noiseband.io.hub_resume.LARGE", len(CONTENT) + 1)
    assert fetched() == CONTENT
    assert not hub.ranges


@pytest.mark.parametrize("status", [403, 500])
def test_a_server_that_refuses(hub: Hub, part: Path, status: int) -> None:
    hub.faults.append(Fault("GET", status, times=1000, path="/resolve/"))
    with pytest.raises(UserError, match=f"{status}"):
        fetched()
    assert hub.asked("GET") < 40


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_keeps_the_beginning(
    hub: Hub, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(UserError, match="no space left on the disk") as error:
        fetched()
    assert os.strerror(errno.ENOSPC) not in str(error.value)
    part.unlink()
    assert fetched() == CONTENT
