"""Texts that the models write, during training and at the end of each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseband.analysis.sources import lines_if_any
from noiseband.study.paths import Paths


@dataclass(frozen=True)
class Sample:
    """A text drawn after a step."""

    run: str
    step: int
    prompt: str
    text: str


def samples(results: Path, run: str) -> list[Sample]:
    """All samples of a run by step; an empty list if there is no file."""
    lines = lines_if_any(Paths(results).run(run) / "samples.jsonl")
    return [Sample(run, line["step"], line["prompt"], line["text"]) for line in lines]


def checkpoints(results: Path, runs: Sequence[str]) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """(step, prompt, text) of every sample of each run that has samples, for the timeline."""
    return [
        (run, [(sample.step, sample.prompt, sample.text) for sample in found])
        for run in runs
        if (found := samples(results, run))
    ]


def last_samples(results: Path, runs: Sequence[str]) -> list[Sample]:
    """The last sample of each run that has samples."""
    return [found[-1] for run in runs if (found := samples(results, run))]
