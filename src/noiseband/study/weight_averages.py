"""Averages of a run's weights, which are evaluated as variants of the run.

Each has a folder under the run's, and `<run>/averages/<name>` is its name for the rules that
evaluate models. Its metrics are metrics of the run: `<name>.test_loss`, and
`<name>.<evaluation>.<metric>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from noiseband.study.averages import Snapshots, enough_snapshots, snapshot_name
from noiseband.study.paths import average_in
from noiseband.study.problems import Problem
from noiseband.study.section import Section

if TYPE_CHECKING:
    from noiseband.study.runs import Study


class WeightAverage(Section):
    """An average of each run's weights: exactly one of `decay` and `snapshots`."""

    decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """An exponential moving average (EMA) over all steps: after each step, it is `decay` times
    itself plus (1 - `decay`) times the weights. About the last 1 / (1 - `decay`) steps count. It
    begins with the weights after the first step. An EMA is made while the run trains, so a new one
    trains every run again."""
    snapshots: Annotated[int, Field(ge=2)] | None = None
    """The mean of this many of the run's last `snapshots`, the final weights among them. It trains
    nothing if the runs keep so many."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> WeightAverage:
        if (self.decay is None) == (self.snapshots is None):
            found = "both" if self.snapshots else "none"
            raise ValueError(f"give exactly one of decay and snapshots, not {found}")
        return self


def average_name(run: str, average: str) -> str:
    """The name of a run's average as a model that is evaluated."""
    return average_in(Path(run), average).as_posix()


def average_names(run: str, averages: Iterable[str]) -> list[str]:
    """The names of all averages of a run."""
    return [average_name(run, average) for average in averages]


def decays(averages: Mapping[str, WeightAverage]) -> dict[str, float]:
    """The averages that training makes, with their decays."""
    return {name: one.decay for name, one in averages.items() if one.decay is not None}


def means(averages: Mapping[str, WeightAverage]) -> list[str]:
    """The averages that are means of snapshots."""
    return [name for name, one in averages.items() if one.snapshots is not None]


def averaged_weights(study: Study, run: str, average: str) -> list[Path]:
    """The files of the weights whose mean an average is, the final weights first."""
    count = study.config.averages[average].snapshots
    return [study.weights_file(snapshot_name(run, number)) for number in range(count or 0)]


def check_weight_averages(valid: Mapping[str, Any]) -> list[Problem]:
    """The problems of `averages`.

    Args:
        valid: section name to its parsed value.
    """
    averages: Mapping[str, WeightAverage] = valid.get("averages", {})
    snapshots: Snapshots | None = valid.get("snapshots")
    problems = []
    for name, one in averages.items():
        key = f"averages.{name}"
        if one.snapshots is not None:
            problems += enough_snapshots(f"{key}.snapshots", one.snapshots, snapshots)
        if name in valid.get("evaluations", {}):
            remedy = "is the name of an evaluation too; rename one, so that metrics differ"
            problems.append(Problem(key, None, remedy))
    return problems
