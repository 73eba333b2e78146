"""Jobs that are forked behave like jobs that are started: the real server, client and signals, and
a small program instead of `noiseband`'s commands."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from noiseband.cli.fork_server import PRELOADED
from noiseband.dag.fork_client import FORKS, ONE_THREAD, fork_name, surroundings
from noiseband.dag.forks import WITH_TORCH
from tests.project import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs are forked on Linux only")

# The jobs. `sleep` saves on SIGTERM, as training does.
SERVER = """
import os, signal, sys, time
import noiseband.cli as cli
from noiseband.cli import fork_server

def save(*_):
    os.write(1, b"saved\\n")  # as the signal may come while the job prints
    sys.exit(7)

def job():
    match sys.argv[1:]:
        case ["say"]:
            print(os.getcwd(), os.environ.get("GIVEN"), oct(os.umask(0)), input())
            print("complaint", file=sys.stderr)
            sys.exit(3)
        case ["die", number]:
            os.kill(os.getpid(), int(number))
        case ["sleep"]:
            signal.signal(signal.SIGTERM, save)
            print("here", flush=True)
            time.sleep(60)

cli.main = job
fork_server.PRELOADED = ()
fork_server.main()
"""
CLIENT = [sys.executable, "-c", "from noiseband.start import main; main()"]


class Forks:
    """A server, and what its commands need to find it."""

    def __init__(self, program: str = SERVER) -> None:
        address = f"test-{os.getpid()}-{time.monotonic_ns()}"
        self.environment = {**os.environ, **ONE_THREAD}
        self.environment[FORKS] = f"{address} {surroundings(self.environment)}"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0{address}")
            listener.listen()
            self.server = subprocess.Popen(
                [sys.executable, "-c", program, str(listener.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env=self.environment,
            )

    def start(self, *words: str, **options: object) -> subprocess.Popen[str]:
        given = {"env": self.environment, "stdout": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen([*CLIENT, *words], **given)  # type: ignore[call-overload,no-any-return]

    def job(self, client: subprocess.Popen[str]) -> psutil.Process:
        children = psutil.Process(self.server.pid).children()
        return next(one for one in children if one.name() == fork_name(client.pid))

    def sleeping(self) -> tuple[subprocess.Popen[str], psutil.Process]:
        client = self.start("sleep", stderr=subprocess.PIPE)
        assert client.stdout is not None and client.stdout.readline() == "here\n"
        return client, self.job(client)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    found = Forks()
    yield found
    found.server.kill()
    found.server.wait()


def test_a_job_has_the_folder_environment_mask_and_files_of_its_command(
    forks: Forks, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as log:
        client = forks.start(
            "say",
            stdin=subprocess.PIPE,
            stderr=log,
            cwd=tmp_path,
            umask=0o027,
            env={**forks.environment, "TMPDIR": "/tmp"},
        )
        out, _ = client.communicate("typed\n", timeout=30)
    assert out == f"{tmp_path} None 0o27 typed\n"
    assert (tmp_path / "log").read_text() == "complaint\n"
    assert client.returncode == 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_command_ends_by_the_signal_that_ended_its_job(forks: Forks, number: int) -> None:
    client = forks.start("die", str(int(number)))
    assert client.wait(30) == -number


def test_a_signal_reaches_the_job(forks: Forks) -> None:
    client, _ = forks.sleeping()
    client.send_signal(signal.SIGTERM)
    assert client.communicate(timeout=30) == ("saved\n", "")
    assert client.returncode == 7


def test_a_job_stops_and_continues_with_its_command(forks: Forks) -> None:
    client, job = forks.sleeping()
    for number, statuses in ((signal.SIGTSTP, {"stopped"}), (signal.SIGCONT, {"sleeping"})):
        client.send_signal(number)
        deadline = time.monotonic() + 10
        while not {job.status(), psutil.Process(client.pid).status()} <= statuses:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    client.kill()
    client.communicate()


def test_a_job_dies_with_its_command(forks: Forks) -> None:
    client, job = forks.sleeping()
    client.kill()
    assert job.wait(10) is None
    client.communicate()
    assert forks.start("die", "15").wait(30) == -15, "the server goes on"


def test_a_job_saves_and_ends_when_the_shell_of_its_command_is_gone(forks: Forks) -> None:
    words = ["bash", "-c", '"$@"; true', "", *CLIENT, "sleep"]
    shell = subprocess.Popen(words, env=forks.environment, stdout=subprocess.PIPE, text=True)
    assert shell.stdout is not None and shell.stdout.readline() == "here\n"
    shell.kill()
    assert shell.stdout.readline() == "saved\n"
    shell.communicate()


def test_a_command_fails_when_the_server_dies() -> None:
    forks = Forks()
    client, job = forks.sleeping()
    forks.server.kill()
    assert client.wait(30) == 1
    job.kill()  # a real one notices by itself: `end_with_workflow`
    _, error = client.communicate(timeout=30)
    assert error == "noiseband: the process that forks for each job has ended; start again\n"
    forks.server.communicate()


def test_the_server_ends_after_snakemake_and_the_last_job() -> None:
    forks = Forks()
    client, _ = forks.sleeping()
    assert forks.server.stdin is not None
    forks.server.stdin.close()
    with pytest.raises(subprocess.TimeoutExpired):
        forks.server.wait(0.5)
    client.send_signal(signal.SIGTERM)
    assert forks.server.wait(10) == 0
    client.communicate()


@pytest.mark.parametrize(
    "change",
    [{"OMP_NUM_THREADS": "2"}, {"ATEN_CPU_CAPABILITY": "default"}, {FORKS: "off"}, {FORKS: None}],
    ids=str,
)
def test_a_command_runs_itself_if_its_surroundings_differ(
    forks: Forks, change: dict[str, str | None]
) -> None:
    given = {**forks.environment, **change}
    environment = {name: text for name, text in given.items() if text is not None}
    client = forks.start("say", env=environment, stderr=subprocess.PIPE)
    _, error = client.communicate(timeout=60)
    assert client.returncode == 2 and "No such command 'say'" in error


def test_a_command_runs_itself_if_the_server_ends_before_it_accepts() -> None:
    found = Forks("import time; time.sleep(1)")
    client = found.start("say", stderr=subprocess.PIPE)
    _, error = client.communicate(timeout=60)
    assert client.returncode == 2 and "No such command 'say'" in error
    found.server.wait()


def test_a_command_in_a_folder_that_is_gone_runs_itself(forks: Forks, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    words = ["bash", "-c", 'rmdir "$PWD" && exec "$@"', "", *CLIENT, "say"]
    done = subprocess.run(
        words, cwd=gone, env=forks.environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "No such command 'say'" in done.stderr


def test_rules_that_import_torch_are_rules() -> None:
    texts = [path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")]
    names = re.findall(r"^(?:rule (\w+)|use rule \w+ as (\w+))", "\n".join(texts), re.MULTILINE)
    assert {one or other for one, other in names} >= WITH_TORCH


def test_a_server_with_all_its_imports_has_one_thread() -> None:
    """A fork would lose the others."""
    program = f"""
import importlib, noiseband.cli.fork_server as server
for name in {PRELOADED}:
    importlib.import_module(name)
assert server.threads() == 1, server.threads()
"""
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, **ONE_THREAD})
