"""Metrics: the outcomes of a run that verdicts are about."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from noiseband.errors import nearest
from noiseband.study.evaluations import FurtherEvaluation, known_metrics
from noiseband.study.problems import Problem
from noiseband.study.section import Section

TEST_LOSS = "test_loss"
"""The metric of every run that noiseband itself trains."""
TIMED = ("seconds", "tokens_per_second", "peak_memory_bytes")
"""Volatile metrics of every run that noiseband itself trains, from its `timing.json`."""

MetricName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class Metric(Section):
    """One outcome of a run: its direction, its unit, and the smallest difference that matters."""

    better: Literal["lower", "higher"]
    """The direction that is better."""
    unit: str = ""
    """The unit, such as `nats` or `ms`; empty if the metric has none."""
    margin: Annotated[float, Field(gt=0)] | None = None
    """The smallest difference that matters, in the unit. An intervention whose whole interval is
    closer to zero than that makes no difference that matters. Without a margin, no verdict says so.
    """
    volatile: bool = False
    """Whether the metric may differ between two executions of one run, as a speed does. Such values
    are in tables of their own, which no manifest covers."""


class NamedMetric(Metric):
    """A metric with its name."""

    name: str

    @property
    def label(self) -> str:
        """The name in a sentence: `test loss` for `test_loss`."""
        return self.name.replace("_", " ")

    @property
    def label_with_unit(self) -> str:
        """The name and the unit, as on the axis of a chart: `test loss, nats`."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @classmethod
    def test_loss(cls, margin: float | None, unit: str = "nats") -> NamedMetric:
        """The metric of every run that noiseband itself trains."""
        return cls(name=TEST_LOSS, better="lower", unit=unit, margin=margin)


def of_averages(
    metrics: Sequence[NamedMetric], averages: Iterable[str], evaluations: Container[str]
) -> list[NamedMetric]:
    """The same metrics of averaged weights, where weights decide them: the test loss, and what
    further evaluations measure. They have the directions and margins of the runs' own."""
    return [
        one.model_copy(update={"name": f"{average}.{one.name}"})
        for average in averages
        for one in metrics
        if one.name == TEST_LOSS or one.name.partition(".")[0] in evaluations
    ]


def check_metrics(valid: Mapping[str, Any], builtin: bool = True) -> list[Problem]:
    """The problems of `metrics` and `primary`.

    Args:
        valid: section name to its parsed value.
        builtin: whether noiseband trains the runs. A trainer of one's own measures what it likes.
    """
    problems = []
    declared: dict[str, Metric] = valid.get("metrics", {})
    evaluations: dict[str, FurtherEvaluation] = valid.get("evaluations", {})
    averages: Iterable[str] = valid.get("averages", {})
    given = [*([TEST_LOSS] if builtin else []), *known_metrics(evaluations)]
    for name, metric in declared.items():
        key, evaluation = f"metrics.{name}", evaluations.get(name.partition(".")[0])
        timed = builtin and name in TIMED
        own, _, measured = name.partition(".")
        if own in averages:
            remedy = f"has the direction and the margin of {measured}; declare that instead"
            problems.append(Problem(key, None, remedy))
        elif builtin and name == TEST_LOSS:
            remedy = "is always measured, and lower is better; write `margin` at the top instead"
            problems.append(Problem(key, None, remedy))
        elif builtin and not timed and evaluation is None:
            remedy = f"nothing measures it; {nearest(name, [*TIMED, *given[1:]])}"
            problems.append(Problem(key, None, remedy))
        elif not metric.volatile and (timed or (evaluation and not evaluation.repeatable)):
            remedy = "another execution would give another value; write true"
            problems.append(Problem(f"{key}.volatile", False, remedy))
        elif metric.volatile and evaluation and evaluation.repeatable:
            # Otherwise its value would be in a file that the manifest covers.
            remedy = f"write `repeatable: false` in evaluations.{name.partition('.')[0]} as well"
            problems.append(Problem(f"{key}.volatile", True, remedy))
    return problems + _primary(valid, given, declared)


def _primary(
    valid: Mapping[str, Any], given: list[str], declared: Mapping[str, Metric]
) -> list[Problem]:
    """The problems of the name of the primary metric."""
    primary = valid.get("primary")
    choices = [*given, *(name for name, metric in declared.items() if not metric.volatile)]
    named = [NamedMetric(name=name, better="lower") for name in choices]
    averages, evaluations = valid.get("averages", {}), valid.get("evaluations", {})
    choices += [one.name for one in of_averages(named, averages, evaluations)]
    if primary is not None and primary not in choices:
        fault = "is volatile; choose another metric" if primary in declared else "no such metric"
        return [Problem("primary", primary, f"{fault}; {nearest(primary, choices)}")]
    if "evaluation" in valid and valid["evaluation"].in_bits and valid.get("published"):
        remedy = "the published series has losses in nats; write nats, or published: false"
        return [Problem("evaluation.unit", "bits-per-byte", remedy)]
    if primary not in (None, TEST_LOSS) and valid.get("published"):
        remedy = "the published series is compared by its test loss; write test_loss"
        return [Problem("primary", primary, remedy)]
    return []
