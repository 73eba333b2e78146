"""The verdicts on a table of runs, as one object that shows itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from noiseband.referee.direction import direction
from noiseband.referee.judgement import ArmVerdict, MetricVerdicts, judge
from noiseband.referee.measurements import Measurements
from noiseband.referee.raw import Raw
from noiseband.referee.target import TargetVerdict, TargetVerdicts, compare
from noiseband.stats.least_squares import BASELINE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = ("metric", "arm", "runs", "effect", "low", "high", "p_value", "verdict", "tipping_ratio")
"""The columns of `Answer.table`."""


@dataclass(frozen=True, eq=False, repr=False)
class Answer:
    """Verdicts, which print as a table, in a notebook too."""

    metrics: tuple[MetricVerdicts | TargetVerdicts, ...]
    """One for each metric."""
    notes: tuple[str, ...] = ()
    """What was guessed, left out or doubtful."""

    @property
    def verdicts(self) -> list[ArmVerdict | TargetVerdict]:
        """The verdicts of all metrics, in order."""
        return [one for metric in self.metrics for one in metric.verdicts]

    @property
    def effects(self) -> dict[str, float | None]:
        """The effect of each arm on the first metric, in its unit; None without a run."""
        return {one.arm: one.effect for one in self.metrics[0].verdicts}

    @property
    def table(self) -> pd.DataFrame:
        """A row for each arm and metric, with the columns of `SHOWN`."""
        rows = [[getattr(one, name, None) for name in SHOWN] for one in self.verdicts]
        table = pd.DataFrame(rows, columns=[*SHOWN])
        return table.assign(verdict=[str(one.verdict) for one in self.verdicts])

    def figure(self, metric: str | None = None) -> Figure:
        """The chart of effects and intervals of a metric, by default the first.

        Raises ValueError if there is no such metric.
        """
        from noiseband.referee.show.figure import draw

        for one in self.metrics:
            if metric in (None, one.metric):
                return draw(one)
        raise ValueError(f"no metric {metric!r} here: {[one.metric for one in self.metrics]}")

    def __repr__(self) -> str:
        from noiseband.referee.show.text import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from noiseband.referee.show.html import as_table

        return as_table(self)


@dataclass(frozen=True)
class Question:
    """What is asked about measurements; see `verdicts` for the fields."""

    baseline: str | None = None
    better: str | None = None
    margin: str | float | None = None
    alpha: float = 0.05
    family: int | None = None
    target: float | None = None


def answer(measured: Measurements, question: Question) -> Answer:
    """Judge every metric. Each is a family of its own."""
    if not 0 < question.alpha < 1:
        raise UserError(f"--alpha {question.alpha}: use a number between 0 and 1")
    found: list[MetricVerdicts | TargetVerdicts] = []
    notes = list(measured.notes)
    baseline = None if question.target is not None else _baseline(measured, question, notes)
    for metric in measured.metrics:
        better = direction(metric, question.better)
        if question.target is not None:
            one: MetricVerdicts | TargetVerdicts = compare(
                measured, metric, better, question.target, question.alpha, question.margin,
                question.family,
            )  # fmt: skip
        else:
            assert baseline is not None
            one = judge(
                measured, metric, better, baseline, question.alpha, question.margin,
                question.family,
            )  # fmt: skip
        found.append(one)
        notes += one.notes
    if len(found) > 1:
        notes.append(f"{families(len(found), question.alpha)}; --family shares alpha")
    return Answer(tuple(found), tuple(dict.fromkeys(notes)))


def families(metrics: int, alpha: float) -> str:
    """What verdicts on several metrics do not promise."""
    return (
        f"each of the {metrics} metrics is a family of its own: a false alarm in one of them may "
        f"come up to {metrics} times as often as {100 * alpha:g}%"
    )


def _baseline(measured: Measurements, question: Question, notes: list[str]) -> str:
    if question.baseline is not None:
        return question.baseline
    if BASELINE not in measured.arms:
        raise UserError(
            "--baseline is missing: name the arm that the others are compared with "
            f"({', '.join(measured.arms[:8])}{', ...' if len(measured.arms) > 8 else ''})"
        )
    return BASELINE


def verdicts(
    frame: pd.DataFrame,
    *,
    baseline: str | None = None,
    metric: str | Sequence[str] | None = None,
    better: str | None = None,
    margin: str | float | None = None,
    alpha: float = 0.05,
    family: int | None = None,
    target: float | None = None,
    arm: str | None = None,
    take: str = "last",
) -> Answer:
    """Did each change help, or is it noise?

    The model is that of a study's report: metric = arm + seeds + rest, with the seeds as random
    effects, and intervals that hold for all arms at once. Runs on the same seeds are compared with
    each other. `docs/statistics.md` says what is promised.

    Parameters
    ----------
    frame : pandas.DataFrame
        A row for each run, or for each run and step. Columns: `arm` (or `intervention`); any of
        `init_seed`, `data_seed`, `train_seed`, or `seed` for all three (runs without seeds are
        independent); metrics; optionally `run`, `step` and `digest` (equal digests are one run).
    baseline : str, optional
        The arm that the others are compared with; by default the one called "baseline".
    metric : str or sequence of str, optional
        Column or columns to judge; by default `test_loss` or `loss`, or the only column of numbers.
    better : {"lower", "higher"}, optional
        Which direction is better; by default what the name of the metric says, as in "loss".
    margin : float or str, optional
        The smallest difference that matters, in the metric's unit or as "1%" of the baseline's
        mean. An interval within it is "no difference that matters".
    alpha : float, default 0.05
        Probability of any false alarm among all arms.
    family : int, optional
        The number of comparisons that were really made, if more than the table shows.
    target : float, optional
        Compare the mean of each arm with this number instead of a baseline.
    arm : str, optional
        The column with the arm, if it has another name.
    take : str, default "last"
        Of several steps of a run: "last", "best", or "mean:K" of the last K.

    Returns
    -------
    Answer
        Prints as a table. `table` is a data frame, `effects` a dictionary, `figure()` a chart.

    Raises
    ------
    noiseband.UserError
        If a column is missing or ambiguous, a cell is not a number, or an argument is out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> import noiseband as nb
    >>> frame = pd.DataFrame({
    ...     "arm": ["main"] * 3 + ["muon"] * 3,
    ...     "seed": [1, 2, 3] * 2,
    ...     "loss": [3.284, 3.281, 3.286, 3.269, 3.265, 3.272],
    ... })
    >>> found = nb.verdicts(frame, baseline="main")
    >>> [(one.arm, str(one.verdict)) for one in found.verdicts]
    [('muon', 'helps')]
    >>> round(found.effects["muon"], 4)
    -0.015
    """
    names = [metric] if isinstance(metric, str) else list(metric or ())
    cells = frame.reset_index(drop=True).astype(object)
    raw = Raw("the data frame", cells.where(cells.notna(), None), "row")
    choice = Choice(names, arm, take, better, needs_arm=target is None)
    question = Question(baseline, better, margin, alpha, family, target)
    return answer(measurements([raw], choice), question)
