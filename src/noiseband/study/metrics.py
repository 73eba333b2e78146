"""Metrics: the outcomes of a run that verdicts are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from noiseband.study.problems import Problem, nearest
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
    def test_loss(cls, margin: float | None) -> NamedMetric:
        """The metric of every run that noiseband itself trains."""
        return cls(name=TEST_LOSS, better="lower", unit="nats", margin=margin)


def check_metrics(valid: Mapping[str, Any], measured: list[str]) -> list[Problem]:
    """The problems of `metrics` and `primary`, where `measured` are the metrics that runs have
    without being declared, the test loss among them if noiseband trains the runs."""
    problems = []
    declared: dict[str, Metric] = valid.get("metrics", {})
    known = [*measured, *TIMED] if TEST_LOSS in measured else [*measured, *declared]
    for name, metric in declared.items():
        key = f"metrics.{name}"
        if name == TEST_LOSS and name in measured:
            remedy = "is always measured, and lower is better; write `margin` at the top instead"
            problems.append(Problem(key, None, remedy))
        elif name not in known:
            problems.append(Problem(key, None, f"nothing measures it; {nearest(name, known)}"))
        elif name in TIMED and TEST_LOSS in measured and not metric.volatile:
            remedy = "is measured in time or memory; write true"
            problems.append(Problem(f"{key}.volatile", False, remedy))
    primary = valid.get("primary")
    choices = [name for name in (*measured, *declared) if not _volatile(declared, name)]
    if primary is not None and primary not in choices:
        volatile = primary in declared
        remedy = "is volatile; choose a metric that is not" if volatile else "no such metric"
        problems.append(Problem("primary", primary, f"{remedy}; {nearest(primary, choices)}"))
    if primary not in (None, TEST_LOSS) and valid.get("published"):
        remedy = "the published series is compared by its test loss; write test_loss"
        problems.append(Problem("primary", primary, remedy))
    return problems


def _volatile(declared: Mapping[str, Metric], name: str) -> bool:
    return name in declared and declared[name].volatile
