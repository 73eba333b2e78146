"""Distinct GPUs for each of several jobs, by lock files.

A folder of this machine and user holds a file for each device and one for each waiting process.
Whoever uses a device holds a shared lock on its file, whoever waits an exclusive one on its ticket:
locks of the system (flock), which end with their process, however it ends. A device may be taken
when its file can be locked exclusively, that is, when nobody who uses it lives.

Tickets are served in order, and all of a job's devices are taken at once or none: nobody holds some
and waits for more, so nothing can block for ever; and a job that wants several is not overtaken by
those that want one. Jobs that may use different devices do not wait for each other.
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

FOLDER = "NOISEBAND_GPU_LOCKS"
POLL = 0.5
"""Seconds between two looks of a process that waits."""

_held: list[TextIO] = []
"""Locks that this process holds for as long as it lives."""


def reserve(count: int, job: str) -> list[str]:
    """Wait for `count` GPUs that no other job uses, and have CUDA show this process these alone.

    To be called before CUDA is used. The devices are given back when the process ends. Without
    any GPU nothing happens.

    Args:
        count: devices wanted.
        job: what the others are told of this process.

    Returns:
        The names of the devices.

    Raises:
        UserError: there are some, but fewer than `count`; the folder of locks is another user's.
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
    """Let others know that this process uses its device: one of several that torchrun started.

    It takes what its launcher gave it, the device of its local rank, and does not wait.
    """
    devices, rank = visible(), int(os.environ["LOCAL_RANK"])
    if rank < len(devices):
        folder = _open_folder()
        with _door(folder):
            _use(_device_file(folder, devices[rank]), f"{job} (process {os.getpid()})")


@dataclass(frozen=True)
class _Ticket:
    """A place in the queue: a file that is locked for as long as its process waits."""

    number: int
    devices: list[str]
    """That will do."""
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
        """Jobs that drew before this one, live, and may want what it wants. Behind the door."""
        for path in sorted(self.path.parent.glob("ticket-*"), key=_number):
            if _number(path) >= self.number:
                return
            with open(path, encoding="utf-8") as other:
                if _locked(other, fcntl.LOCK_SH):
                    path.unlink()  # its process has died
                    continue
                job, *devices = other.read().split("\n")
            if set(devices) & set(self.devices):
                yield job

    def give_up(self) -> None:
        self.path.unlink(missing_ok=True)
        self.file.close()


def _take(folder: Path, devices: Sequence[str], count: int, job: str) -> list[str]:
    """Lock `count` devices, or none. Behind the door."""
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
    """Jobs that use the devices. Behind the door."""
    jobs = {}
    for device in devices:
        with _device_file(folder, device) as file:
            if not _locked(file, fcntl.LOCK_EX):
                jobs[file.read()] = device
    return list(jobs)


def _use(file: TextIO, job: str) -> None:
    """Hold the device's lock, shared, to the end of this process. Behind the door."""
    fcntl.flock(file, fcntl.LOCK_SH)
    file.seek(0)
    file.truncate()
    file.write(job)
    file.flush()
    _held.append(file)


def _device_file(folder: Path, device: str) -> TextIO:
    return _open(folder / f"gpu-{quote(device, safe='')}")


def _open(path: Path) -> TextIO:
    """To read, lock and write anew; made if need be, never emptied."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")


def _locked(file: TextIO, kind: int) -> bool:
    """Lock the file if that needs no waiting."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _door(folder: Path) -> Iterator[None]:
    """One process at a time looks at the folder or changes it."""
    with open(folder / "door", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _number(ticket: Path) -> int:
    return int(ticket.name.removeprefix("ticket-"))


def _open_folder() -> Path:
    """The folder of the locks, made if need be.

    Not in TMPDIR or XDG_RUNTIME_DIR: the first may differ between a user's jobs, the second goes
    when its user logs out. That it is this user's own is checked.
    """
    folder = Path(os.environ.get(FOLDER) or f"/tmp/noiseband-gpus-{os.getuid()}")  # nosec B108
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder} is not yours; remove it, or give another folder by {FOLDER}")
    # A folder that is locked is left alone by systemd, which removes old files from /tmp.
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return folder


def _tell(count: int, users: Sequence[str], ahead: Sequence[str]) -> None:
    """Say for whom this process waits."""
    text = f"noiseband: waiting for {'a GPU' if count == 1 else f'{count} GPUs'}"
    text += f"; in use by {', '.join(users)}" if users else ""
    text += f"; in the queue before it {', '.join(ahead)}" if ahead else ""
    print(f"{text} (not to wait: {OURS}=)", file=sys.stderr, flush=True)
