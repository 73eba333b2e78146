"""Jobs end after the process that started them dies: real processes, killed with SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from noiseband.dag.orphans import sign_jobs

JOB = """
import signal, sys, time
from pathlib import Path
from noiseband.dag.orphans import end_with_workflow

def save(*_):
    Path(sys.argv[1]).write_text("saved")
    sys.exit()

signal.signal(signal.SIGTERM, save)
end_with_workflow()
print("here", flush=True)
time.sleep(60)
"""
SNAKEMAKE = """
import subprocess, sys
from noiseband.dag.orphans import sign_jobs

if "sign" in sys.argv:
    sign_jobs()
subprocess.run(["bash", "-c", '"$@"; true', "", sys.executable, *sys.argv[1:4]])
"""


@pytest.fixture
def job(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[list[psutil.Process]]:
    """A stand-in for Snakemake, its shell, and the job; all are killed at the end."""
    words = [sys.executable, "-c", SNAKEMAKE, "-c", JOB, str(tmp_path / "saved"), request.param]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        found = [psutil.Process(process.pid)]
        found += found[0].children(recursive=True)
        assert len(found) == 3
        yield found
        for one in found:
            if one.is_running():
                one.kill()


@pytest.mark.parametrize("job", ["sign"], indirect=True)
@pytest.mark.parametrize("victim", [0, 1])
def test_a_job_saves_and_ends_when_snakemake_or_its_shell_is_gone(
    job: list[psutil.Process], victim: int, tmp_path: Path
) -> None:
    job[victim].kill()
    job[2].wait(15)
    assert (tmp_path / "saved").read_text() == "saved"


@pytest.mark.parametrize("job", ["sign"], indirect=True)
def test_a_job_lives_on_while_they_do(job: list[psutil.Process]) -> None:
    time.sleep(1.2)
    assert job[2].is_running() and job[2].status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("job", ["by hand"], indirect=True)
def test_a_command_typed_by_hand_is_left_alone(job: list[psutil.Process]) -> None:
    job[1].kill()
    job[0].kill()
    time.sleep(1.2)
    assert job[2].is_running() and job[2].status() != psutil.STATUS_ZOMBIE


WATCHED = (
    "from noiseband.dag.orphans import end_with_workflow; end_with_workflow(); "
    "import threading; print([one.name for one in threading.enumerate()])"
)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({}, 0, "['MainThread', 'orphan watch']\n"),
        ({0: "4194305"}, 128 + signal.SIGTERM, ""),  # larger than any process id on Linux
        # On the second machine of a job the environment is the same, but the process is not there.
        ({0: "4194305", 2: "other-machine pid:[4026531836]"}, 0, "['MainThread']\n"),
        ({1: "1.0"}, 0, "['MainThread']\n"),
    ],
    ids=["watched", "gone", "elsewhere", "another process"],
)
def test_whom_a_job_watches(
    change: dict[int, str], status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEBAND_WORKFLOW", "")
    sign_jobs()
    parts = os.environ["NOISEBAND_WORKFLOW"].split(" ", 2)
    for place, text in change.items():
        parts[place] = text
    told = {**os.environ, "NOISEBAND_WORKFLOW": " ".join(parts)}
    command = [sys.executable, "-c", WATCHED]
    done = subprocess.run(command, env=told, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, said), done.stderr


def test_who_does_not_hear_is_ended() -> None:
    code = (
        "import signal, time; from noiseband.dag.orphans import end_when; "
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "end_when(lambda: True, 0.1); time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=30)
    assert done.returncode == 128 + signal.SIGTERM
