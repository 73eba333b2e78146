"""The process that has imported what jobs need, and forks for each job of a local workflow.

Importing PyTorch takes a process seconds, often longer than the job itself. This one does it once.
It computes nothing and starts no thread, so each fork begins like a fresh process after its
imports. A job's command (`dag/fork_client.py`) connects and sends its arguments, folder,
environment and open files, and later its signals. It gets the job's exit status, and if it dies,
so does the job. The server ends when its Snakemake has ended and no job is left.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noiseband.cli.commands import MODULES
from noiseband.dag.fork_client import ACCEPTED, STATUS, receive

PRELOADED = (
    *(f"noiseband.cli.{module}" for module in MODULES),
    "noiseband.corpus.tokens",
    "noiseband.evaluate.loss",
    "noiseband.finetune.console",
    "noiseband.finetune.loop",
    "noiseband.finetune.respond",
    "noiseband.model.init",
    "noiseband.repro.provenance",
    "noiseband.train.launch.processes",
    "noiseband.train.trainer",
)
"""Modules of the jobs of which a study has many. Forks import the rest, such as pyarrow, which
starts a thread."""
PATIENCE = 10.0
"""Seconds for a command to send its request."""


@dataclass
class Server:
    """The jobs of one workflow."""

    listener: socket.socket
    workflow: int
    """File descriptor that can be read, with nothing in it, when Snakemake has ended."""
    jobs: dict[int, socket.socket] = field(default_factory=dict)
    """The connection of each job's command, by the job's process id."""
    looks: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def serve(self) -> dict[str, Any] | None:
        """Fork for jobs until the workflow ends. In each fork, return the job that it is to run."""
        wakes, waker = socket.socketpair()
        waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self.looks.register(self.listener, selectors.EVENT_READ)
        self.looks.register(self.workflow, selectors.EVENT_READ)
        self.looks.register(wakes, selectors.EVENT_READ)
        accepting = True
        while accepting or self.jobs:
            for key, _ in self.looks.select():
                if key.fileobj is wakes:
                    wakes.recv(4096)
                elif key.fileobj == self.workflow:
                    accepting = False
                    self.looks.unregister(self.workflow)
                    self.looks.unregister(self.listener)
                    self.listener.close()
                elif key.fileobj is self.listener:
                    job = self._accept()
                    if job is not None:
                        wakes.close()
                        waker.close()
                        return job
                else:
                    self._hear(key.data, key.fileobj)
            self._reap()
        return None

    def _accept(self) -> dict[str, Any] | None:
        """Fork for a new command of the same user. Returns its request in the fork only."""
        connection, _ = self.listener.accept()
        try:
            if _user(connection) != os.getuid():
                raise ValueError("another user")
            connection.settimeout(PATIENCE)
            request, files = receive(connection)
        except (OSError, ValueError):
            connection.close()
            return None
        pid = os.fork()
        if pid:
            connection.settimeout(None)
            with suppress(OSError):  # the command has died
                connection.sendall(ACCEPTED)
            self.jobs[pid] = connection
            self.looks.register(connection, selectors.EVENT_READ, pid)
        else:
            self._leave(connection)
            for number, file in enumerate(files):
                os.dup2(file, number)
        for file in files:
            os.close(file)
        return None if pid else request

    def _leave(self, connection: socket.socket) -> None:
        """In a fork, close what belongs to the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.looks.close()
        for other in (connection, self.listener, *self.jobs.values()):
            other.close()

    def _hear(self, pid: int, connection: Any) -> None:
        """Pass on the signals that a command has sent. End its job if the command has died."""
        try:
            received = connection.recv(64)
        except OSError:
            received = b""
        for number in received:
            os.kill(pid, number)
        if not received:
            self.looks.unregister(connection)
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Tell the commands of all jobs that have ended how they ended."""
        for pid, connection in list(self.jobs.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            with suppress(OSError):  # the command has died
                connection.sendall(STATUS.pack(status))
            with suppress(KeyError):
                self.looks.unregister(connection)
            connection.close()
            del self.jobs[pid]


def _user(connection: socket.socket) -> int:
    """The user whose process connected, according to the kernel (unix(7), SO_PEERCRED)."""
    who = struct.Struct("3i")
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, who.size)
    return int(who.unpack(found)[1])


def become(job: dict[str, Any]) -> None:
    """Give this process the arguments, folder, environment and open files of a command."""
    Path("/proc/self/comm").write_text(job["name"])
    sys.argv = job["words"]
    os.chdir(job["folder"])
    os.umask(job["umask"])
    os.environ.clear()
    os.environ.update(job["variables"])
    # The old ones belong to files that are gone, and remember whether those could seek.
    sys.stdin = os.fdopen(0, "r", encoding=sys.stdin.encoding)
    sys.stdout = os.fdopen(1, "w", encoding=sys.stdout.encoding)
    sys.stderr = os.fdopen(2, "w", 1, sys.stderr.encoding, "backslashreplace")


def threads() -> int:
    """The number of threads of this process."""
    return len(list(Path("/proc/self/task").iterdir()))


def main() -> None:
    """Serve on the listening socket whose file descriptor is the argument.

    Standard input is a pipe of which only Snakemake holds the other end.
    """
    listener = socket.socket(fileno=int(sys.argv[1]))
    for name in PRELOADED:
        importlib.import_module(name)
    if threads() > 1:
        return  # a fork would lose the others; without the listener, commands run themselves
    gc.freeze()
    job = Server(listener, workflow=0).serve()
    if job is not None:
        become(job)
        importlib.import_module("noiseband.cli").main()
