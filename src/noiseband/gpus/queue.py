"""Give each of several jobs its own GPUs, with lock files.

A folder for each user on this machine has one file for each device and one ticket for each waiting
process. A process holds a shared lock on the file of each device that it uses, or an exclusive lock
on its ticket while it waits. The locks are flock's, which end with the process, however it ends. A
device is free if its file can be locked exclusively, that is, if no living process uses it.

Tickets are served in order, and a job takes all of its devices at once or none. No job holds some
devices while it waits for more, so there is no deadlock, and a job that wants several is not
overtaken by jobs that want one. Jobs that may use different devices do not wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from noiseband.errors import UserError
from noiseband.gpus.devices import CUDAS, OURS, show, visible
from noiseband.io.locks import NO_LOCKS

FOLDER = "NOISEBAND_GPU_LOCKS"
POLL = 0.5
"""Seconds between two checks of a waiting process."""

_held: list[TextIO] = []
"""The locks that this process holds until it ends."""


def reserve(count: int, job: str) -> list[str]:
    """Wait for `count` GPUs that no other job uses, and have CUDA show only these to this process.

    Call this before CUDA is used. The devices are released when the process ends. Without any GPU
    nothing happens.

    Args:
        count: the number of devices.
        job: the description of this process that other waiting processes print.

    Returns:
        The names of the devices.

    Raises:
        UserError: there are GPUs, but fewer than `count`; or another user owns the lock folder.
    """
    devices = visible()
    if not devices:
        return []
    if count > len(devices):
        raise UserError(
            f"processes={count}: one GPU each, but this machine shows {len(devices)}; start at "
            f"most {len(devices)}, or set {CUDAS}= to use the CPU"
        )
    folder = _open_folder()
    ticket = _Ticket.draw(folder, devices, f"{job} (process {os.getpid()})")
    told = False
    while True:
        with _door(folder):
            if next(ticket.ahead(), None) is None:
                taken = _take(folder, devices, count, ticket.job)
                if taken:
                    ticket.give_up()
                    show(taken)
                    return taken
            if not told:
                _tell(count, _users(folder, devices), list(ticket.ahead()))
                told = True
        time.sleep(POLL)


def announce(job: str) -> None:
    """Mark the device of this process, one of several that torchrun started, as in use.

    The process uses the device of its local rank and does not wait.
    """
    devices, rank = visible(), int(os.environ["LOCAL_RANK"])
    if rank < len(devices):
        folder = _open_folder()
        with _door(folder):
            _use(_device_file(folder, devices[rank]), f"{job} (process {os.getpid()})")


@dataclass(frozen=True)
class _Ticket:
    """A place in the queue: a file that is locked while its process waits."""

    number: int
    devices: list[str]
    """The devices that the job may use."""
    job: str
    path: Path
    file: TextIO

    @classmethod
    def draw(cls, folder: Path, devices: list[str], job: str) -> _Ticket:
        with _door(folder):
            number = 1 + max(map(_number, folder.glob("ticket-*")), default=0)
            path = folder / f"ticket-{number}"
            file = _open(path)
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write("\n".join([job, *devices]))
            file.flush()
            return cls(number, devices, job, path, file)

    def ahead(self) -> Iterator[str]:
        """The living jobs ahead of this one that may use the same devices. Call behind the door."""
        for path in sorted(self.path.parent.glob("ticket-*"), key=_number):
            if _number(path) >= self.number:
                return
            with open(path, encoding="utf-8") as other:
                if _locked(other, fcntl.LOCK_SH):
                    path.unlink()  # its process has ended
                    continue
                job, *devices = other.read().split("\n")
            if set(devices) & set(self.devices):
                yield job

    def give_up(self) -> None:
        self.path.unlink(missing_ok=True)
        self.file.close()


def _take(folder: Path, devices: Sequence[str], count: int, job: str) -> list[str]:
    """Lock `count` devices, or none. Call behind the door."""
    free: dict[str, TextIO] = {}
    for device in devices:
        file = _device_file(folder, device)
        if len(free) < count and _locked(file, fcntl.LOCK_EX):
            free[device] = file
        else:
            file.close()
    for file in free.values():
        if len(free) == count:
            _use(file, job)
        else:
            file.close()
    return list(free) if len(free) == count else []


def _users(folder: Path, devices: Sequence[str]) -> list[str]:
    """The jobs that use the devices. Call behind the door."""
    jobs = {}
    for device in devices:
        with _device_file(folder, device) as file:
            if not _locked(file, fcntl.LOCK_EX):
                jobs[file.read()] = device
    return list(jobs)


def _use(file: TextIO, job: str) -> None:
    """Hold a shared lock on the device until this process ends. Call behind the door."""
    fcntl.flock(file, fcntl.LOCK_SH)
    file.seek(0)
    file.truncate()
    file.write(job)
    file.flush()
    _held.append(file)


def _device_file(folder: Path, device: str) -> TextIO:
    return _open(folder / f"gpu-{quote(device, safe='')}")


def _open(path: Path) -> TextIO:
    """Open a file to read, lock and rewrite it; it is created if necessary, but not truncated."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")


def _locked(file: TextIO, kind: int) -> bool:
    """Lock the file if possible without waiting; return whether it is locked."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _door(folder: Path) -> Iterator[None]:
    """Let only one process at a time read or change the folder."""
    with open(folder / "door", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _number(ticket: Path) -> int:
    return int(ticket.name.removeprefix("ticket-"))


def _open_folder() -> Path:
    """The folder of the locks, created if necessary; it must belong to this user.

    It is not in TMPDIR, which may differ between a user's jobs, nor in XDG_RUNTIME_DIR, which is
    removed when the user logs out.
    """
    folder = Path(os.environ.get(FOLDER) or f"/tmp/noiseband-gpus-{os.getuid()}")  # nosec B108
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder} is not yours; remove it, or set {FOLDER} to another folder")
    # systemd removes old files from /tmp, but not folders that are locked.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise UserError(
            f"{folder}: its file system has no locks; set {FOLDER} to a folder on a disk of this "
            "machine"
        ) from None
    return folder


def _tell(count: int, users: Sequence[str], ahead: Sequence[str]) -> None:
    """Print the jobs that this process waits for."""
    text = f"noiseband: waiting for {'a GPU' if count == 1 else f'{count} GPUs'}"
    text += f"; in use by {', '.join(users)}" if users else ""
    text += f"; in the queue before it {', '.join(ahead)}" if ahead else ""
    print(f"{text} (set {OURS}= to not wait)", file=sys.stderr, flush=True)
