"""The jobs of a finished study as Snakemake started them, which can be run again one by one."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import shlex
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from noiseband.io.files import atomic
from tests.faults.project import Project

VOLATILE = ("timing.json", "provenance.json")
"""Outputs that may differ when the same job runs again."""


@dataclass(frozen=True)
class Job:
    """One command of the workflow."""

    words: tuple[str, ...]
    """The words of the command after `noiseband`."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def stage(self) -> str:
        return self.words[0]

    def made(self) -> dict[str, bytes]:
        """The current contents of the outputs."""
        return {name: Path(name).read_bytes() for name in self.outputs}

    def changed(self, before: dict[str, bytes]) -> list[str]:
        """The outputs that should have the same bytes as before, but do not."""
        now = self.made()
        names = (name for name in self.outputs if Path(name).name not in VOLATILE)
        return [name for name in names if now[name] != before[name]]


def jobs_of(project: Project) -> list[Job]:
    """Every job of a finished study, from Snakemake's own summary."""
    summary = project.run("snakemake", "--detailed-summary").stdout
    rows = csv.DictReader(io.StringIO(summary), delimiter="\t", quoting=csv.QUOTE_NONE)
    outputs: dict[str, list[str]] = {}
    inputs: dict[str, list[str]] = {}
    for row in rows:
        command = row.get("shellcmd") or ""
        if command.startswith("noiseband "):
            outputs.setdefault(command, []).append(row["output_file"])
            inputs[command] = row["input-file(s)"].split(",")
    return [
        Job(
            tuple(shlex.split(_plain(command))[1:]),
            tuple(name for name in inputs[command] if name.startswith("results/")),
            tuple(outputs[command]),
        )
        for command in outputs
    ]


def _plain(command: str) -> str:
    """A rule's command as a shell runs it: without the log, and with patterns expanded."""
    words = command.split(" 2> ")[0]
    return re.sub(r"\$\(dirname ([^)]+)\)", lambda found: str(Path(found[1]).parent), words)


def call(words: tuple[str, ...]) -> tuple[int, str]:
    """Run `noiseband <words>` in this process; return its exit status and its output."""
    from noiseband.cli import main

    said = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["noiseband", *words]),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
        except BaseException:
            return 70, traceback.format_exc()
    return 0, said.getvalue()


def put_back(files: dict[str, bytes]) -> None:
    """Files with their checksums, where they are not what they were."""
    for name, content in files.items():
        with atomic(Path(name)) as temporary:
            temporary.write_bytes(content)
