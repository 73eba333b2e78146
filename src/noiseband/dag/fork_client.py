"""The command of a job that is forked: it passes its arguments, files and signals on, and ends as
the job ends."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from noiseband.dag.orphans import SECONDS_TO_SAVE

FORKS = "NOISEBAND_FORKS"
"""Variable with the server's address and `surroundings()`, or `off`."""
LENGTH = struct.Struct("!I")
"""The length of a request, which is sent together with standard input, output and error."""
ACCEPTED = b"+"
"""The server's first answer. Without it, the command runs itself."""
STATUS = struct.Struct("!i")
"""The second answer: how the job ended, as `os.waitpid` says it."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGCONT)
"""Signals that reach the job as they are. SIGTSTP reaches it as SIGSTOP."""
HELD = (*SIGNALS, signal.SIGTSTP)
"""Signals that wait while the job begins, until they can be passed on to it."""
LOOKS = 0.5
"""Seconds between two looks at whether the shell that started this command is still there."""
OF_EACH_JOB = {"SHLVL", "PWD", "OLDPWD", "_", "TMPDIR", "TMP", "TEMP", "TEMPDIR", FORKS}
"""Variables that a shell or Snakemake sets for each job, and that PyTorch does not read."""
ONE_THREAD = dict.fromkeys(
    (f"{name}_NUM_THREADS" for name in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")), "1"
) | {"VECLIB_MAXIMUM_THREADS": "1"}
"""What Snakemake sets for a job of one thread. PyTorch reads some of it when it is imported."""


def surroundings(environment: Mapping[str, str]) -> str:
    """A digest of everything that a job must share with the server: environment, Python, code."""
    variables = {name: text for name, text in environment.items() if name not in OF_EACH_JOB}
    whole = [sorted(variables.items()), sys.version, sys.prefix, str(Path(__file__).resolve())]
    return hashlib.sha256(json.dumps(whole).encode("utf-8", "backslashreplace")).hexdigest()


def fork_name(command: int) -> str:
    """The name of the fork of a command with this process id, of at most 15 characters."""
    return f"job-{command}"


def accepted() -> socket.socket | None:
    """Ask the server to run this command. None if there is no server, or if it is another's.

    If it accepts, signals are held until `follow` passes them on.
    """
    address, _, expected = os.environ.get(FORKS, "").partition(" ")
    if not expected or expected != surroundings(os.environ):
        return None
    server = socket.socket(socket.AF_UNIX)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    # The folder may be gone, and the server may have ended.
    with suppress(OSError):
        request = _request()
        server.connect(f"\0{address}")
        socket.send_fds(server, [LENGTH.pack(len(request))], [0, 1, 2])
        server.sendall(request)
        if server.recv(len(ACCEPTED)):
            return server
    server.close()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return None


def _request() -> bytes:
    """What the server needs to know of this command. Raises OSError if its folder is gone."""
    return json.dumps(
        {
            "words": sys.argv,
            "folder": str(Path.cwd()),
            "variables": dict(os.environ),
            "umask": _umask(),
            "name": fork_name(os.getpid()),
        }
    ).encode("utf-8", "surrogateescape")


def follow(server: socket.socket) -> NoReturn:
    """Pass signals on to the job, and end as it ends."""
    for number in SIGNALS:
        signal.signal(number, lambda received, _: server.sendall(bytes([received])))
    signal.signal(signal.SIGTSTP, lambda *_: _stop(server))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
    with suppress(OSError):
        _end_as(_status(server))
    print("noiseband: the process that forks for each job has ended; start again", file=sys.stderr)
    sys.exit(1)


def _status(server: socket.socket) -> int:
    """Wait for the job's end. Raises OSError if the server ends before."""
    shell, answer = os.getppid(), b""
    waited = 0.0
    server.settimeout(LOOKS)
    while len(answer) < STATUS.size:
        try:
            received = server.recv(STATUS.size - len(answer))
        except TimeoutError:
            if os.getppid() != shell:
                if not waited:
                    server.sendall(bytes([signal.SIGTERM]))
                waited += LOOKS
            if waited > SECONDS_TO_SAVE:
                sys.exit(128 + signal.SIGTERM)
            continue
        if not received:
            raise ConnectionResetError
        answer += received
    return int(STATUS.unpack(answer)[0])


def _end_as(status: int) -> NoReturn:
    """End this process as the job ended, by the same exit status or the same signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))


def _stop(server: socket.socket) -> None:
    """Stop the job and then this process, as Ctrl-Z does; SIGCONT continues both."""
    server.sendall(bytes([signal.SIGSTOP]))
    os.kill(os.getpid(), signal.SIGSTOP)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The request of a command, and its standard input, output and error.

    Raises OSError if the connection breaks, and ValueError if something else was sent.
    """
    head, files, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
    missing = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else 0
    request = b""
    while missing > len(request):
        more = connection.recv(missing - len(request))
        if not more:
            break
        request += more
    if not missing or len(request) < missing or len(files) != 3:
        for file in files:
            os.close(file)
        raise ValueError("not a request of noiseband")
    return json.loads(request.decode("utf-8", "surrogateescape")), files
