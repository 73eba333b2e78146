"""A small study with every rule, which tests plan, execute and edit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import project
from tests.workflow import forked

RUNS = {
    "baseline-42",
    "baseline-22",
    "baseline-42-23",
    "baseline-23",
    "clip-42",
    "clip-22",
    "no-dropout-42",
    "biased-42",
    "both-42",
    "baseline-again",
    "extended",
}
"""The runs of the study in study.yaml."""


class Project(project.Project):
    """A copy of the repository with this study, or another."""

    def __init__(self, folder: Path, study: Path = Path(__file__).parent / "study.yaml") -> None:
        super().__init__(folder, study)

    def snakemake(self, *arguments: str, **more: str | None) -> subprocess.CompletedProcess[str]:
        """Run it to its end, with `more` in the environment."""
        return forked.snakemake(["--cores", "2", *arguments], self.folder, self.environment(**more))

    def noiseband(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("noiseband", *arguments)

    def background(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def planned(self, *arguments: str) -> dict[str, set[str]]:
        """The rules that a dry run would execute; `train` comes with the names of the runs."""
        found = self.snakemake("-n", *arguments)
        assert found.returncode == 0, found.stdout + found.stderr
        text = found.stdout + found.stderr
        table = re.search(r"^job +count\n-[- ]+\n(.*?)^total", text, re.MULTILINE | re.DOTALL)
        rules = [] if table is None else [line.split()[0] for line in table[1].splitlines()]
        jobs: dict[str, set[str]] = {rule: set() for rule in rules if rule != "all"}
        if "train" in jobs:
            jobs["train"] = set(re.findall(r"Job \d+: Training (\S+)", text))
        return jobs

    def touched(self) -> Project:
        """This project with an empty file for every output, which Snakemake records as up to date.

        It plans as a project does whose jobs have all run, and costs no training.
        """
        summary = self.snakemake("--summary")
        assert summary.returncode == 0, summary.stdout + summary.stderr
        for line in summary.stdout.splitlines()[1:]:
            output = self.folder / line.split("\t")[0]
            output.parent.mkdir(parents=True, exist_ok=True)
            output.touch()
        done = self.snakemake("--touch", "--forceall")
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    @contextmanager
    def edited(self, file: str, old: str, new: str) -> Iterator[None]:
        path = self.folder / file
        before, times = path.read_text(), path.stat()
        assert old in before
        path.write_text(before.replace(old, new, 1))
        try:
            yield
        finally:
            path.write_text(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
