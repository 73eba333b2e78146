"""Corrupt every artefact of a study, and check that the next stage notices it.

A corruption is noticed if the stage that reads the file ends with exit 2 and one line that names
the file and the remedy. It is harmless if all outputs of the stage have the same bits as before.
Anything else is a silently wrong number, and a failure.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from noiseband.errors import DamagedError
from noiseband.io.checksums import intact, is_intact
from tests.faults.jobs import Job, call, jobs_of, put_back
from tests.faults.project import finished
from tests.judge.server import Endpoint, running

Corrupt = Callable[[random.Random, bytes, bytes], bytes]
"""A function of (draw, content, another file's content) that returns the corrupted content."""


def _flipped(draw: random.Random, content: bytes, _: bytes) -> bytes:
    raw = bytearray(content)
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    return bytes(raw)


def _digit(draw: random.Random, content: bytes, _: bytes) -> bytes:
    """Replace one digit by another, so that a text stays readable."""
    places = [m.start() for m in re.finditer(rb"[0-8]", content)]
    if not places:
        return _flipped(draw, content, content)
    at = draw.choice(places)
    return content[:at] + bytes([content[at] + 1]) + content[at + 1 :]


CORRUPTIONS: dict[str, Corrupt] = {
    "empty": lambda draw, content, other: b"",
    "cut": lambda draw, content, other: content[: draw.randrange(1, max(2, len(content)))],
    "last byte gone": lambda draw, content, other: content[:-1],
    "a bit flipped": _flipped,
    "a digit changed": _digit,
    "another file": lambda draw, content, other: other,
    "longer": lambda draw, content, other: content + content[-200:],
    "zeros": lambda draw, content, other: bytes(len(content)),
    "a pickle": lambda draw, content, other: pickle.dumps({"weights": [1.0]}),
}


@dataclass
class Tally:
    """The outcomes of the corruptions of one kind of place."""

    by_corruption: Counter[str] = field(default_factory=Counter)
    by_place: dict[str, Counter[str]] = field(default_factory=dict)
    """For each `stage: file`, how many were noticed, harmless or unnoticed."""
    failures: list[str] = field(default_factory=list)

    def count(self, place: str, corruption: str, found: str) -> None:
        """`found` is `noticed`, `harmless`, or what went wrong."""
        self.by_corruption[corruption] += 1
        if found not in ("noticed", "harmless"):
            self.failures.append(f"{place}: {corruption}: {found[-1500:]}")
            found = "unnoticed"
        self.by_place.setdefault(place, Counter())[found] += 1

    def figures(self) -> dict[str, Any]:
        whole = sum(self.by_place.values(), Counter[str]())
        return {
            "cases": whole.total(),
            **{name: whole[name] for name in ("noticed", "harmless", "unnoticed")},
            "by_corruption": dict(sorted(self.by_corruption.items())),
            "by_place": {place: dict(self.by_place[place]) for place in sorted(self.by_place)},
        }


def campaign(
    scratch: Path, seed: int, artefacts: int = 300, work: int = 30, replies: int = 27
) -> dict[str, Any]:
    """Corrupt given numbers of artefacts, files of work folders and stored replies.

    Also repair a file of each stage with the command in the error message.
    """
    project = finished(scratch / "whole")
    jobs = jobs_of(project)
    with contextlib.chdir(project.folder):
        # This comes first, while the files still have their original times.
        repaired, failures = repair(jobs, project.environment())
        parts = {
            "artefacts": corrupt_artefacts(jobs, artefacts, seed),
            "work_folders": corrupt_work(jobs, work, seed),
            "stored_replies": corrupt_replies(jobs, replies, seed),
        }
    return {
        **{name: tally.figures() for name, tally in parts.items()},
        "made_again": repaired,
        "failures": [*(why for tally in parts.values() for why in tally.failures), *failures],
    }


def kind(name: str) -> str:
    """The kind of artefact that a file is: its path without numbers and names from the study."""
    path = Path(name)
    if path.parts[1] in ("tables", "figures"):
        return f"{path.parts[1]}/*{path.suffix}"
    if path.parts[1] in ("init", "contamination", "verify"):
        return f"{path.parts[1]}/*{path.suffix}"
    if path.name.startswith("round-"):
        return "round-*.jsonl"
    return f"ift/{path.name}" if "ift" in path.parts else path.name


def cases(jobs: list[Job], number: int, draw: random.Random) -> Iterator[tuple[Job, str, str]]:
    """(job, input, corruption): every corruption in turn, on every kind of input of every stage."""
    by_kind: dict[tuple[str, str], list[tuple[Job, str]]] = {}
    for job in jobs:
        for name in job.inputs:
            by_kind.setdefault((job.stage, kind(name)), []).append((job, name))
    grid = [(one, corruption) for corruption in CORRUPTIONS for one in sorted(by_kind)]
    for place in range(number):
        if place % len(grid) == 0:
            draw.shuffle(grid)
        one, corruption = grid[place % len(grid)]
        job, name = draw.choice(by_kind[one])
        yield job, name, corruption


def judged(job: Job, name: str, before: dict[str, bytes]) -> str:
    """The outcome of a job that reads a corrupted file: `noticed`, `harmless`, or the failure."""
    status, said = call(job.words)
    if status == 2:
        lines = said.strip().split("\n")
        if len(lines) == 1 and name in said and said.startswith("noiseband: "):
            return "noticed"
        return f"exit 2 without one line that names the file: {said}"
    if status != 0:
        return f"exit {status}: {said}"
    changed = job.changed(before)
    return f"changes {', '.join(changed)}" if changed else "harmless"


def corrupted(draw: random.Random, path: Path, corruption: str) -> bytes | None:
    """Corrupt a file in place, as a failing disk does; return its correct content.

    None if the corruption changes nothing.
    """
    content = path.read_bytes()
    alike = (p for p in Path("results").rglob(f"*{path.suffix}") if p.is_file())
    others = [p for p in sorted(alike) if p.read_bytes() != content and ".checksums" not in p.parts]
    other = draw.choice(others).read_bytes() if others else b"of another"
    bad = CORRUPTIONS[corruption](draw, content, other)
    if bad == content:
        return None
    path.write_bytes(bad)
    return content


def corrupt_artefacts(jobs: list[Job], number: int, seed: int) -> Tally:
    """Try `number` corruptions of the inputs of jobs, and restore each input afterwards.

    The stage that reads the file must notice it, and so must `noiseband intact`.
    """
    tally, draw = Tally(), random.Random(seed)
    for job, name, corruption in cases(jobs, number, draw):
        path, before = Path(name), job.made()
        content = corrupted(draw, path, corruption)
        if content is None:
            continue
        try:
            found = judged(job, name, before)
            if is_intact(path):
                found = f"{name} is said to be intact"
        finally:
            put_back({name: content, **before})
        tally.count(f"{job.stage}: {kind(name)}", corruption, found)
    return tally


def corrupt_work(jobs: list[Job], number: int, seed: int) -> Tally:
    """Corrupt the files from which a training run resumes (checkpoints, trace, samples).

    The resumed run must end with the same bits. In every other case its newest checkpoint is
    removed too.
    """
    tally, draw = Tally(), random.Random(seed)
    jobs = [job for job in jobs if job.stage == "train"]
    for place in range(number):
        job, before = jobs[place % len(jobs)], jobs[place % len(jobs)].made()
        work = Path(job.words[job.words.index("--work") + 1])
        kept = work.with_name(f"{work.name}.kept")
        shutil.copytree(work, kept)
        files = [p for p in sorted(work.iterdir()) if p.suffix in (".safetensors", ".jsonl")]
        if place % 2:  # as if it was killed before its last checkpoint
            newest = max(p for p in files if p.suffix == ".safetensors")
            newest.unlink()
            files.remove(newest)
        path, corruption = draw.choice(files), draw.choice(sorted(CORRUPTIONS))
        try:
            if corrupted(draw, path, corruption) is None:
                continue
            found = judged(job, path.name, before)
        finally:
            shutil.rmtree(work)
            kept.rename(work)
            put_back(before)
        tally.count(f"train: {re.sub(r'[0-9]+', '*', path.name)}", corruption, found)
    return tally


def corrupt_replies(jobs: list[Job], number: int, seed: int) -> Tally:
    """Corrupt stored replies of a language model, and judge again.

    A round with all of its replies stored sends no request.
    """
    tally, draw = Tally(), random.Random(seed)
    with judging(jobs) as (job, endpoint):
        shutil.rmtree("results/work/replies", ignore_errors=True)
        status, said = call(job.words)
        assert status == 0, said
        before, asked = job.made(), len(endpoint.bodies)
        entries = sorted(Path("results/work/replies").glob("*.json"))
        for place in range(number):
            path, corruption = draw.choice(entries), sorted(CORRUPTIONS)[place % len(CORRUPTIONS)]
            content = corrupted(draw, path, corruption)
            if content is None:
                continue
            try:
                found = judged(job, path.name, before)
                if len(endpoint.bodies) != asked:
                    found = "asked again, with no word of it"
            finally:
                put_back({str(path): content, **before})
            tally.count("judge: stored reply", corruption, found)
        # The message says to remove the file; then only its question is asked again.
        entries[0].unlink()
        if call(job.words)[0] or len(endpoint.bodies) != asked + 1 or job.changed(before):
            tally.failures.append("a stored reply that was removed is not asked again alone")
    return tally


@contextlib.contextmanager
def judging(jobs: list[Job]) -> Iterator[tuple[Job, Endpoint]]:
    """The job that judges a study's answers by a language model, and its local endpoint."""
    answers = next(job for job in jobs if job.stage == "judge").inputs
    out = "results/work/judged/round-1.jsonl"
    key = {"OPENAI_API_KEY": "sk-test-0123456789abcdef"}
    with running() as endpoint, mock.patch.dict(os.environ, key):
        judge = {"kind": "openai", "base_url": endpoint.base_url, "model": "judge"}
        asked = ("judge", "--params", json.dumps({"judge": judge}), "--round", "1")
        places = ("--store", "results/work/replies", "--out", out)
        yield Job((*asked, *places, *answers), answers, (out,)), endpoint


def repair(jobs: list[Job], environment: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Damage one output of each stage, and run the command in the error message.

    One job must then run and give the same bytes.
    """
    chosen = {job.stage: job for job in jobs if job.stage != "report"}
    failures = []
    files = [path for path in Path("results").rglob("*") if path.is_file()]
    times = {path: path.stat().st_mtime_ns for path in files}
    for stage, job in chosen.items():
        name, before = job.outputs[0], job.made()
        path = Path(name)
        path.write_bytes(before[name][:-1])
        with pytest.raises(DamagedError) as told:
            intact(path)
        command = str(told.value).partition("make it again: ")[2]
        done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
        ran = re.search(r"^total +(\d+)$", done.stderr + done.stdout, re.M)
        if done.returncode or job.changed(before) or not is_intact(path):
            failures.append(f"{stage}: {command} does not make it again: {done.stderr[-800:]}")
        elif ran is None or ran[1] != "1":
            failures.append(f"{stage}: {command} runs {ran[1] if ran else 'no'} jobs, not one")
        put_back(before)
        for path, time in times.items():  # otherwise Snakemake considers later files out of date
            if path.exists():
                os.utime(path, ns=(time, time))
    return {"stages": sorted(chosen), "jobs_each": 1, "failed": len(failures)}, failures
