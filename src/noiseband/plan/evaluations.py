"""The time of a study's further evaluations, from the jobs of each that are finished."""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from noiseband.study import Study
from noiseband.study.averages import averaged_over
from noiseband.study.weight_averages import average_names


@dataclass(frozen=True)
class EvaluationPlan:
    """The jobs of one further evaluation."""

    name: str
    jobs: int
    """One for each run and pretrained model or, with `average`, for each snapshot, and one for each
    average of a run's weights."""
    left: list[str]
    """The models, by name, whose jobs are still to do."""
    seconds: float | None
    """Median over the finished jobs whose time Snakemake has measured; None if there are none."""


def plan_evaluations(study: Study, done: Collection[str]) -> list[EvaluationPlan]:
    """The plan of each further evaluation, in the order of the config.

    Args:
        done: the runs that are trained with their current recipe; what there is of others is made
            again.
    """
    return [_plan(study, name, done) for name in study.config.evaluations]


def _plan(study: Study, name: str, done: Collection[str]) -> EvaluationPlan:
    rule = f"evaluate_{study.config.evaluations[name].kind}"
    left, times = [], []
    jobs = [job for model in study.models for job in averaged_over(study, model, name) or [model]]
    jobs += [job for run in study.runs for job in average_names(run, study.config.averages)]
    for job in jobs:
        model = study.weights[job].name
        kept = model in done or model in study.pretrained
        if not (kept and study.paths.evaluation(job, name).exists()):
            left.append(job)
        elif (seconds := _measured(study.paths.benchmark(rule, f"{job}/{name}"))) is not None:
            times.append(seconds)
    return EvaluationPlan(name, len(jobs), left, median(times) if times else None)


def _measured(benchmark: Path) -> float | None:
    """The seconds in a benchmark of Snakemake's; None if there is none."""
    try:
        with open(benchmark, encoding="utf-8", newline="") as file:
            return float(next(csv.DictReader(file, delimiter="\t"))["s"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
