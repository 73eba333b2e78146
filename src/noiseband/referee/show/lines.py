"""The rows of a metric's table in words, the same for every format that people read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.referee.judgement import ArmVerdict, MetricVerdicts, some
from noiseband.referee.target import TargetVerdict, TargetVerdicts
from noiseband.report.words import fixed, p_text, signed
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.verdicts import Call

DIGITS = 2
"""Digits of the noise that are shown; any more say nothing."""


@dataclass(frozen=True)
class Line:
    """One arm in words."""

    arm: str
    runs: str
    mean: str
    """The mean, in a comparison with a target; otherwise empty."""
    effect: str
    """The effect and half its interval's width, as `-0.0123 ± 0.0027`."""
    p_value: str
    verdict: str
    held: str
    """A note number's text: how far a called verdict can be trusted; empty if it is firm."""
    value: float | None
    low: float | None
    high: float | None


def decimals(metric: MetricVerdicts | TargetVerdicts) -> int:
    """The number of decimals up to the first digits of the noise."""
    if isinstance(metric, MetricVerdicts):
        spread = metric.residual_sd or _smallest(metric.verdicts)
        scale = abs(metric.baseline_mean)
    else:
        spread = min((one.sd for one in metric.verdicts if one.sd), default=None)
        scale = abs(metric.target)
    if not spread:
        spread = scale * 1e-4 or 1e-4
    return min(12, max(0, DIGITS - 1 - math.floor(math.log10(spread))))


def _smallest(verdicts: tuple[ArmVerdict, ...]) -> float | None:
    sizes = [abs(one.effect) for one in verdicts if one.effect]
    return min(sizes) / 100 if sizes else None


def lines(metric: MetricVerdicts | TargetVerdicts) -> list[Line]:
    """A line for each arm."""
    places = decimals(metric)
    return [_line(one, places) for one in metric.verdicts]


def _line(one: ArmVerdict | TargetVerdict, places: int) -> Line:
    effect = signed(one.effect, places)
    if one.effect is not None and one.low is not None and one.high is not None:
        effect += f" ± {fixed((one.high - one.low) / 2, places)}"
    return Line(
        arm=one.arm,
        runs=str(one.runs),
        mean=fixed(one.mean, places) if isinstance(one, TargetVerdict) else "",
        effect=effect,
        p_value=p_text(one.p_value),
        verdict=str(one.verdict),
        held=_held(one) if isinstance(one, ArmVerdict) else "",
        value=one.effect,
        low=one.low,
        high=one.high,
    )


def _held(one: ArmVerdict) -> str:
    """How far a called verdict depends on the other arms' scatter, as `2.3x`."""
    if one.tipping_ratio is None or one.firm or one.verdict not in (Call.HELPS, Call.HURTS):
        return ""
    return f"{one.tipping_ratio:.1f}×"


def heading(metric: MetricVerdicts | TargetVerdicts) -> str:
    """What is compared with what, in a line."""
    places = decimals(metric)
    what = f"{metric.metric}, {metric.better} is better"
    if isinstance(metric, TargetVerdicts):
        return f"{what}; target {metric.target:g}"
    runs = "1 run" if metric.baseline_runs == 1 else f"{metric.baseline_runs} runs"
    mean = fixed(metric.baseline_mean, places)
    name = "baseline" if metric.baseline == BASELINE else f"baseline {metric.baseline}"
    return f"{what}; {name}: {runs}, mean {mean}"


def explanations(metric: MetricVerdicts | TargetVerdicts) -> list[str]:
    """Sentences under the table."""
    share = f"{100 * (1 - metric.alpha):g}%"
    among = "" if metric.comparisons < 2 else f" for all {metric.comparisons} comparisons at once"
    found = [f"± and p hold{among} ({share})." if among else f"± is a {share} interval."]
    if metric.margin is not None:
        found.append(
            f"A difference below {fixed(metric.margin, decimals(metric))} does not matter."
        )
    if any(line.held for line in lines(metric)):
        found.append("(2.3×): holds unless this arm is 2.3 times as noisy as the others.")
    if isinstance(metric, MetricVerdicts):
        if metric.band is not None:
            band = fixed(metric.band, decimals(metric))
            found.append(f"Noise band: a new run of the baseline is within {band} of its mean.")
        found += [sentence for one in metric.verdicts if (sentence := _told(one))]
        found += _seeds_needed(metric.verdicts)
    return found


def _told(one: ArmVerdict) -> str:
    """What must be said about one arm, or an empty text."""
    if one.verdict == Call.IDENTICAL:
        return f"{one.arm} has the runs of the baseline, to the last digit."
    if one.same_as is not None:
        return f"{one.arm} has the runs of {one.same_as}, to the last digit."
    if one.scatter_ratio is not None:
        return (
            f"{one.arm} scatters {one.scatter_ratio:.2g} times as much as the others, so it is "
            "judged by its own runs alone."
        )
    return ""


def _seeds_needed(verdicts: Sequence[ArmVerdict]) -> list[str]:
    """The seeds that would give those within the noise an 80% chance of a verdict."""
    arms: dict[str, list[str]] = {}
    for one in verdicts:
        if one.verdict == Call.WITHIN_NOISE and one.seeds_low is not None:
            more = "" if one.seeds_high == one.seeds_low else " or more"
            arms.setdefault(f"{one.seeds_low:,}{more}", []).append(one.arm)
    if not arms:
        return []
    needed = "; ".join(
        f"{seeds} for {some(names)}" for seeds, names in sorted(arms.items(), key=_by_number)
    )
    return [f"Seeds on both arms for an 80% chance of a verdict: {needed}."]


def _by_number(item: tuple[str, list[str]]) -> tuple[int, str]:
    return len(item[0]), item[0]
