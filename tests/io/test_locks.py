"""Locks end with their file, and a file system without locks stops nobody."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.gpus import queue
from noiseband.io import locks
from noiseband.io.locks import lock
from noiseband.judge.store import Store
from noiseband.train import checkpoint


def test_a_lock_ends_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with open(path, "w") as one:
        assert lock(one)
        with open(path) as other:
            assert not lock(other, wait=False)
            assert not lock(other, wait=False, shared=True)
    with open(path) as one, open(path) as other:
        assert lock(one, shared=True)
        assert lock(other, shared=True, wait=False)
        with open(path) as third:
            assert not lock(third, wait=False)


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Have the system answer every lock with an error, as such a mount does."""

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    locks._tell.cache_clear()


@pytest.mark.parametrize("number", locks.NO_LOCKS)
def test_a_file_system_without_locks_is_told_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    refuse(monkeypatch, number)
    for _ in range(2):
        with checkpoint.locked(tmp_path / "work"):
            pass
    assert capsys.readouterr().err == (
        f"noiseband: {tmp_path}/work: its file system has no locks, so do not start the same study "
        "a second time while it runs\n"
    )
    with Store(tmp_path / "store").locked():
        pass
    assert "/store: its file system has no locks" in capsys.readouterr().err


def test_another_refusal_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, errno.EIO)
    with open(tmp_path / "lock", "w") as file, pytest.raises(OSError, match="lock'") as raised:
        lock(file)
    assert raised.value.errno == errno.EIO


def test_a_queue_for_gpus_needs_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, errno.ENOSYS)
    monkeypatch.setenv(queue.FOLDER, str(tmp_path))
    with pytest.raises(UserError, match=f"no locks; set {queue.FOLDER} to a folder on a disk of"):
        queue._open_folder()
