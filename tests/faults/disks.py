"""Run every stage on a disk that is full or read-only. Mounting needs root."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from noiseband.study import load_study
from tests.faults.corruptions import judging
from tests.faults.jobs import VOLATILE, Job, call, jobs_of
from tests.faults.project import finished

LEFT_KIB = (0, 4, 64, None)
"""Free space in KiB: for nothing, for small files, or for some of the large ones; None is a
read-only disk."""
SIZE_KIB = 512
DISK = Path("disk")
IN_PLACE = {"tables": Path("results/tables"), "figures": Path("results/figures")}
"""Stages that write to the folder that they read: the disk is mounted over this folder."""
OUTPUTS = ("--out", "--work", "--weights", "--digests", "--documents", "--pairs", "--store")
"""Options that name an output."""


def campaign(scratch: Path, seed: int) -> dict[str, Any]:
    """Run a job of each stage on each such disk, then again with space. Nothing is random."""
    if not can_mount(scratch / "disk"):
        return {"skipped": "mounting a disk needs root", "failures": []}
    project = finished(scratch / "whole")
    jobs = jobs_of(project)
    with contextlib.chdir(project.folder), judging(jobs) as (judge, _):
        status, said = call(judge.words)
        assert status == 0, said
        return bad_disks([*jobs, *conversions(), judge])


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a disk here."""
    try:
        with mounted(folder, 4):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def bad_disks(jobs: Sequence[Job]) -> dict[str, Any]:
    """The outcomes of one job of each stage.

    A job must succeed if the space is sufficient, or otherwise end with exit 2 and one line that
    names a file on the disk. Files with their final names must be complete, no others may be left,
    and the same command must then succeed with the right bytes.
    """
    failures: list[str] = []
    ended = {"one line": 0, "well": 0}
    chosen = {name_of(job): job for job in jobs}
    for name, job in chosen.items():
        right, folder = job_outputs(job), IN_PLACE.get(job.stage, DISK)
        for left in LEFT_KIB:
            with mounted(folder, left):
                there = job if folder != DISK else on_disk(job)
                status, said = call(there.words)
                problems = complaints(status, said, folder, there, right)
                ended["well" if status == 0 else "one line"] += not problems
                remount(folder)
                problems += again(there, right)
            place = "read-only" if left is None else f"{left} KiB left"
            failures += [f"{name}, {place}: {problem}" for problem in problems]
    kib = ["read-only" if left is None else left for left in LEFT_KIB]
    return {"stages": sorted(chosen), "kib_left": kib, "ended": ended, "failures": failures}


def name_of(job: Job) -> str:
    """The stage, and whether its judge is a language model."""
    return "judge by a language model" if '"openai"' in job.words[2] else job.stage


def conversions() -> list[Job]:
    """Jobs that the study does not have: a pretrained model and a pretokenised corpus, both from a
    folder, and an export. The pretrained model is an exported run."""
    study = load_study("config/config.yaml")
    model = study.runs["baseline-1"].model.model_copy(update={"dropout": 0.0})
    export = ("export", "baseline-1", "results/work/exported")
    status, said = call(export)
    assert status == 0, said
    nowhere = {"repo": None, "revision": None, "sha256": None}
    shape = {"model": model.model_dump(), "context": model.context}
    pretrained = json.dumps({**nowhere, "path": "results/work/exported", **shape})
    files = {split: f"{split}.safetensors" for split in ("train", "validation", "test")}
    tokens = {"tokenised": {"path": "results/tokens/pocket", **files}, "tokens": None}
    vocabulary = "results/tokens/pocket/vocabulary.tiktoken"
    made = {
        "pretrained": ("--params", pretrained, "--out", "results/work/pretrained"),
        "fetch-tokens": (
            *("--params", json.dumps(tokens), "--vocabulary", vocabulary),
            *("--out", "results/work/fetched"),
        ),
    }
    jobs = []
    for stage, words in made.items():
        status, said = call((stage, *words))
        assert status == 0, said
        outputs = sorted(str(path) for path in Path(words[-1]).iterdir() if path.is_file())
        jobs.append(Job((stage, *words), (), tuple(outputs)))
    return jobs


def job_outputs(job: Job) -> dict[str, bytes]:
    """The right content of a job's outputs, without those that may differ or do not exist yet."""
    paths = (Path(name) for name in job.outputs)
    return {str(p): p.read_bytes() for p in paths if p.name not in VOLATILE and p.exists()}


@contextlib.contextmanager
def mounted(folder: Path, left: int | None) -> Iterator[None]:
    """A disk in memory, mounted at `folder`: with `left` KiB free, or read-only if it is None."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={SIZE_KIB}k" + (",ro" if left is None else "")
    mount = ["mount", "-t", "tmpfs", "-o", options, "faults", str(folder)]
    subprocess.run(mount, check=True, stderr=subprocess.DEVNULL)
    try:
        if left is not None:
            with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
                file.write(bytes((SIZE_KIB - left) * 1024))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path) -> None:
    """Mount the disk again, with enough space."""
    command = ["mount", "-o", "remount,rw,size=256m", "faults", str(folder)]
    subprocess.run(command, check=True)
    (folder / "filler").unlink(missing_ok=True)


def on_disk(job: Job) -> Job:
    """The job with its outputs and its work folder on the disk."""
    words = list(job.words)
    for place, word in enumerate(words[:-1]):
        if word in OUTPUTS:
            words[place + 1] = str(DISK / words[place + 1])
    return replace(job, words=tuple(words), outputs=tuple(str(DISK / name) for name in job.outputs))


def complaints(
    status: int, said: str, folder: Path, job: Job, right: dict[str, bytes]
) -> list[str]:
    """The faults in how a job ended, and in the files that it left."""
    problems = []
    lines = [line for line in said.strip().split("\n") if line.startswith("noiseband: ")]
    if status not in (0, 2):
        problems.append(f"exit {status}: {said[-1500:]}")
    elif status == 2 and (len(lines) != 1 or str(folder) not in lines[0] or "Traceback" in said):
        problems.append(f"exit 2 without one line that names the file: {said[-1500:]}")
    problems += [f"{path} is left" for path in folder.rglob("*.tmp")]
    return problems + wrong(job, right)


def wrong(job: Job, right: dict[str, bytes]) -> list[str]:
    """The outputs that have their final name but not the right content."""
    there = (Path(name) for name in job.outputs)
    known = {Path(name).name: content for name, content in right.items()}
    return [
        f"{path} is not whole"
        for path in there
        if path.exists() and path.name in known and path.read_bytes() != known[path.name]
    ]


def again(job: Job, right: dict[str, bytes]) -> list[str]:
    """Run the same command again, now with enough space."""
    status, said = call(job.words)
    if status != 0:
        return [f"not even with room, exit {status}: {said[-1500:]}"]
    missing = [f"{name} is not made" for name in job.outputs if not Path(name).exists()]
    return missing + wrong(job, right)
