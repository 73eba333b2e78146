"""Weights of a run besides its final ones: snapshots from before its end.

Each such set of weights has a folder under the run's, and `<run>/snapshots/<number>` is its name
for the rules that evaluate models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from noiseband.study.evaluations import FurtherEvaluation
from noiseband.study.paths import snapshot_in
from noiseband.study.problems import Problem
from noiseband.study.section import Positive, Section

if TYPE_CHECKING:
    from noiseband.study.runs import Run, Study


class Snapshots(Section):
    """The weights of every run at several steps near its end, the same number of steps apart. The
    last of them are the final weights. A change of this section trains every run again."""

    every: Positive
    """Steps from one snapshot to the next."""
    last: Annotated[int, Field(ge=2)]
    """Number of snapshots, with the final weights."""

    def numbers(self, steps: int) -> dict[int, int]:
        """For each snapshot before the final weights of a run of `steps` steps, in order: the steps
        done, and its number. Number n is n x `every` steps before the end."""
        return {steps - n * self.every: n for n in range(self.last - 1, 0, -1)}


def snapshot_name(run: str, number: int) -> str:
    """The name of a snapshot as a model that is evaluated. Number 0 is the final weights."""
    return snapshot_in(Path(run), number).as_posix()


def snapshot_names(run: str, snapshots: Snapshots | None) -> list[str]:
    """The names of all snapshots of a run, the final weights first; empty if it keeps none."""
    count = 0 if snapshots is None else snapshots.last
    return [snapshot_name(run, number) for number in range(count)]


def averaged_over(study: Study, run: str, evaluation: str) -> list[str]:
    """The names of the snapshots over which an evaluation of a run or pretrained model is averaged,
    the final weights first; empty if it is measured on the final weights alone, as it always is for
    a pretrained model."""
    count = study.config.evaluations[evaluation].average
    if count is None or run not in study.runs:
        return []
    return [snapshot_name(run, number) for number in range(count)]


def check_averages(valid: Mapping[str, Any]) -> list[Problem]:
    """The problems of averages over snapshots, as far as they do not depend on the runs.

    Args:
        valid: section name to its parsed value.
    """
    snapshots: Snapshots | None = valid.get("snapshots")
    evaluations: Mapping[str, FurtherEvaluation] = valid.get("evaluations", {})
    problems = []
    for name, one in evaluations.items():
        if one.average is not None:
            problems += enough_snapshots(f"evaluations.{name}.average", one.average, snapshots)
        if snapshots is not None and name == "snapshots":
            remedy = "with `snapshots`, noiseband uses this name itself; choose another"
            problems.append(Problem(f"evaluations.{name}", None, remedy))
    return problems


def check_snapshots(runs: Sequence[Run], snapshots: Snapshots | None) -> list[Problem]:
    """Check that every run is long enough for its snapshots."""
    if snapshots is None or not runs:
        return []
    shortest = min(runs, key=lambda run: run.built_in.steps)
    steps, most = shortest.built_in.steps, (snapshots.last - 1) * snapshots.every
    if most < steps:
        return []
    remedy = (
        f"the first of {snapshots.last} snapshots is {most:,} steps before the end, and run "
        f"{shortest.name} has {steps:,} steps; take fewer or closer ones"
    )
    return [Problem("snapshots.every", snapshots.every, remedy)]


def enough_snapshots(key: str, count: int, snapshots: Snapshots | None) -> list[Problem]:
    """Check that every run keeps `count` snapshots."""
    if snapshots is None:
        remedy = f"no run keeps snapshots; write snapshots: {{every: 50, last: {count}}} as well"
        return [Problem(key, count, remedy)]
    if count > snapshots.last:
        remedy = f"a run keeps snapshots.last = {snapshots.last} of them; lower this or raise that"
        return [Problem(key, count, remedy)]
    return []
