"""A study resumes after Snakemake was killed; the whole campaign runs only on request."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.faults.kills import ORPHAN, Execution, Found, stage, tree, until
from tests.faults.project import Project, finished

TARGET = "results/instructions/facts/rows.jsonl"
SIGTERM_WHILE_SELECTING = """
import os, signal
from snakemake.cli import main
from snakemake.scheduling.milp import Scheduler

select = Scheduler.select_jobs

def interrupted(self, *given):
    os.kill(os.getpid(), signal.SIGTERM)
    return select(self, *given)

Scheduler.select_jobs = interrupted
main()
"""


def test_after_kill_9_a_message_says_how_to_go_on(tmp_path: Path) -> None:
    project = Project(tmp_path)
    process = project.start(TARGET)

    def jobs() -> list[psutil.Process]:
        return [one for one in tree(process)[1:] if stage(one) == "instructions"]

    assert until(lambda: bool(jobs()) or process.poll() is not None, 120)
    job = next(one for one in jobs())
    process.kill()
    process.wait(10)
    assert until(lambda: not job.is_running(), ORPHAN), "an orphan works on"
    again = project.run("snakemake", "--cores", "2", TARGET)
    assert again.returncode == 1
    assert "cannot be locked" in again.stderr and "--unlock" in again.stderr
    assert "Traceback" not in again.stderr
    assert project.run("snakemake", "--unlock").returncode == 0
    last = project.run("snakemake", "--cores", "2", TARGET)
    assert last.returncode == 0, last.stderr
    assert (tmp_path / TARGET).exists()


def test_sigterm_while_jobs_are_selected_ends_snakemake(tmp_path: Path) -> None:
    project = Project(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", SIGTERM_WHILE_SELECTING, "--cores", "2", TARGET],
        cwd=tmp_path,
        env=project.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "Will exit after finishing currently running jobs" in done.stderr
    assert not any((tmp_path / ".snakemake/locks").glob("*"))


@pytest.mark.campaign
def test_a_killed_workflow_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    found, killed = Found(), Project(tmp_path / "killed")
    Execution(killed, random.Random(1), found).killed(4)
    assert not found.failures
    assert killed.manifest == finished(tmp_path / "whole").manifest != b""
