"""Kill the whole workflow at random moments, then finish it with the documented command."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from noiseband.dag.orphans import SECONDS_TO_SAVE
from tests.faults.project import Project, finished

KINDS = (
    "SIGKILL to a process", "SIGKILL to a job", "SIGKILL to Snakemake", "SIGKILL to all",
    "SIGTERM to Snakemake", "SIGTERM to all", "Ctrl-C", "hang-up",
)  # fmt: skip
NUMBER = 32
"""The number of kills in a campaign."""
MOST = 11
"""The most kills in one execution. The next one starts from nothing, so that kills hit early stages
again."""
JOBS = 5
"""The most jobs that end before a kill, so that all stages get their share of kills."""
SECONDS = 4.0
"""The most seconds from then until the kill; Snakemake takes as long to start, or a job to end."""
PATIENCE = 240.0
"""Seconds until a Snakemake that should end counts as hanging; its running jobs may end first."""
ORPHAN = SECONDS_TO_SAVE + 5.0
"""Seconds that a job may outlive the Snakemake or the shell that started it, in order to save."""


@dataclass
class Found:
    """The outcomes of the kills of one or several executions."""

    kills: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    """The commands of `noiseband` that were running at a kill."""
    starts: int = 0
    locks: int = 0
    """The number of starts that needed `snakemake --unlock` first."""
    unheard: int = 0
    """The number of kills of Snakemake after which it still succeeded, being about to end."""
    orphans: int = 0
    """The number of processes that were left after Snakemake, or their shell, had ended."""
    longest: float = 0.0
    """The longest time in seconds until all such processes had ended."""
    failures: list[str] = field(default_factory=list)


def campaign(scratch: Path, seed: int) -> dict[str, Any]:
    """Kill executions of the study `NUMBER` times; each must end with the undisturbed manifest.

    Every other execution trains each run with two processes.
    """
    whole, draw, found = finished(scratch / "whole").manifest, random.Random(seed), Found()
    executions = equal = 0
    while found.kills.total() < NUMBER:
        project = Project(scratch / f"killed-{executions}")
        if executions % 2:
            with open(project.folder / "config/config.yaml", "a") as config:
                config.write("processes: 2\n")
        most = min(MOST, NUMBER - found.kills.total())
        Execution(project, draw, found).killed(most)
        executions += 1
        if project.manifest == whole:
            equal += 1
            shutil.rmtree(project.folder)
        else:
            found.failures.append(f"{project.folder}: another manifest")
    return {"executions": executions, "equal_manifests": equal, **figures(found)}


def figures(found: Found) -> dict[str, Any]:
    """The outcomes of the kills, for JSON."""
    return {
        "kills": found.kills.total(),
        "by_kind": dict(sorted(found.kills.items())),
        "by_stage": dict(sorted(found.stages.items())),
        "starts": found.starts,
        "stale_locks": found.locks,
        "unheard": found.unheard,
        "orphans": found.orphans,
        "longest_orphan_s": round(found.longest, 1),
        "failures": found.failures,
    }


class Execution:
    """One study, run from nothing to its end in spite of kills."""

    def __init__(self, project: Project, draw: random.Random, found: Found) -> None:
        self.project, self.draw, self.found = project, draw, found
        self.deck: list[str] = []
        # A process started by nohup or in the background ignores these signals, and its children
        # inherit that.
        for number in (signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)

    def killed(self, most: int) -> None:
        """Kill `most` times, or until the study is done; then let it finish."""
        left = most
        while left:
            process = self.start()
            while left and self.moment(process):
                left -= self.kill(process)
            if not left:
                self.wait(process, "it was killed for the last time")
            elif process.returncode == 0:
                return  # the study was done before the last kill
        process = self.start()
        if self.wait(process, "it was undisturbed") != 0:
            self.found.failures.append(self.log("the last command failed"))

    def moment(self, process: subprocess.Popen[str]) -> bool:
        """Wait until the next kill; return whether Snakemake still runs then."""
        jobs = self.finished() + self.draw.randrange(JOBS)
        if not until(lambda: process.poll() is not None or self.finished() >= jobs, PATIENCE):
            self.found.failures.append(self.log("no job ends any more") + stacks(process))
        return not ended(process, self.draw.uniform(0.0, SECONDS))

    def finished(self) -> int:
        """The number of jobs that have succeeded, over all starts."""
        return (self.project.folder / "snakemake.log").read_text().count("Finished jobid")

    def start(self) -> subprocess.Popen[str]:
        """Start the documented command, after `snakemake --unlock` if a lock was left."""
        self.found.starts += 1
        if any((self.project.folder / ".snakemake/locks").glob("*")):
            self.found.locks += 1
            done = self.project.run("snakemake", "--unlock")
            if done.returncode:
                self.found.failures.append(f"--unlock failed: {done.stderr}")
        return self.project.start()

    def kill(self, process: subprocess.Popen[str]) -> bool:
        """Kill a part of the process tree, if any; if Snakemake should end, wait until it has."""
        self.deck = self.deck or self.draw.sample(KINDS, len(KINDS))
        before = tree(process)
        running = {one for one in map(stage, before) if one}
        victims = victims_of(self.deck[-1], before, self.draw)
        if not victims:
            return False
        kind = self.deck.pop()
        self.found.kills[kind] += 1
        self.found.stages.update(running or {"none"})
        said = f"{kind}: {[' '.join(command(one))[:80] for one in victims]}"
        send(kind, victims)
        if kind not in KINDS[:2] or before[0] in victims:
            self.found.unheard += self.wait(process, said) == 0
        time.sleep(0.2)  # until orphaned children have a new parent
        began = time.monotonic()
        orphans = [one for one in before[1:] if is_orphan(one)]
        self.found.orphans += len(orphans)
        if not until(lambda: not any(map(is_orphan, orphans)), ORPHAN):
            names = [" ".join(command(one))[:80] for one in orphans if is_orphan(one)]
            self.found.failures.append(f"{said}: these outlived it by {ORPHAN} s: {names}")
        if orphans:
            self.found.longest = max(self.found.longest, time.monotonic() - began)
        return True

    def wait(self, process: subprocess.Popen[str], why: str) -> int:
        """Wait for the exit status; a hang is recorded as a failure with all stacks, and ended."""
        if ended(process, PATIENCE):
            return process.returncode
        self.found.failures.append(self.log(f"Snakemake hangs after {why}") + stacks(process))
        for one in tree(process):
            one.kill()
        return process.wait(10)

    def log(self, what: str) -> str:
        said = (self.project.folder / "snakemake.log").read_text()
        return f"{self.project.folder}: {what}\n{said[-3000:]}\n"


def victims_of(
    kind: str, before: list[psutil.Process], draw: random.Random
) -> list[psutil.Process]:
    """The processes of the tree that a kill of this kind hits; all, unless the kind names one."""
    jobs = [one for one in before if stage(one)]
    match kind:
        case "SIGKILL to a process":
            return draw.sample(before, min(1, len(before)))
        case "SIGKILL to a job":
            return draw.sample(jobs, min(1, len(jobs)))
        case "SIGKILL to Snakemake" | "SIGTERM to Snakemake":
            return before[:1]
        case _:
            return before


def send(kind: str, victims: list[psutil.Process]) -> None:
    if kind in ("Ctrl-C", "hang-up"):  # a terminal sends them to its foreground group
        os.killpg(victims[0].pid, signal.SIGINT if kind == "Ctrl-C" else signal.SIGHUP)
        return
    for one in victims:
        try:
            one.send_signal(signal.SIGTERM if kind.startswith("SIGTERM") else signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


def tree(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Snakemake and all of its descendants, itself first; empty if it has ended."""
    try:
        main = psutil.Process(process.pid)
        return [main, *main.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def command(one: psutil.Process) -> list[str]:
    try:
        words: list[str] = one.cmdline()
        return words
    except psutil.Error:
        return []


def stage(one: psutil.Process) -> str | None:
    """The `noiseband` command that this process runs; None if it is another program."""
    words = command(one)
    names = [Path(word).name for word in words]
    return words[names.index("noiseband") + 1] if "noiseband" in names[:4] else None


def is_orphan(one: psutil.Process) -> bool:
    """Whether the process is still alive although its parent has ended."""
    try:
        return bool(
            one.is_running()
            and one.status() != psutil.STATUS_ZOMBIE
            and one.ppid() in (0, 1, *reapers())
        )
    except psutil.NoSuchProcess:
        return False


def reapers() -> list[int]:
    """The processes that adopt orphans: the ancestors of this process."""
    return [one.pid for one in psutil.Process().parents()]


def ended(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether the process ended within this time."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def until(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (held := true()) and time.monotonic() < end:
        time.sleep(0.05)
    return held


def stacks(process: subprocess.Popen[str]) -> str:
    """What every process of the tree waits for; with Python's stacks if py-spy is installed."""
    spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
    said = []
    for one in tree(process):
        try:
            where = Path(f"/proc/{one.pid}/wchan")
            waits = where.read_text() if where.exists() else ""
            said.append(f"{one.pid} {one.status()} {' '.join(command(one))[:200]} {waits}")
            if spy:
                dump = [spy, "dump", "--pid", str(one.pid)]
                done = subprocess.run(dump, capture_output=True, text=True, timeout=30)
                said.append(done.stdout[:3000])
        except (psutil.Error, OSError, subprocess.SubprocessError) as error:
            said.append(f"{one.pid} {error!r}")
    return "\n".join(said)
