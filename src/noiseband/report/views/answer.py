"""The first screen: what the study says of each change, in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.inference import band_half_width, usable
from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.report.words import answer, effect_decimals, fixed, listed
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.verdicts import Call


@dataclass(frozen=True)
class Group:
    """The interventions of one verdict, the largest effect first."""

    verdict: Call
    answers: list[tuple[str, str]]
    """Name, and the rest of the sentence."""


def groups(verdicts: Sequence[VerdictRow]) -> list[Group]:
    """What helps first; verdicts that nothing got are left out."""
    decimals = effect_decimals(verdicts, digits=1)
    by_size = sorted(verdicts, key=lambda row: -abs(row.effect or 0.0))
    found = [
        Group(
            call,
            [(row.intervention, answer(row, decimals)) for row in by_size if row.verdict == call],
        )
        for call in Call
    ]
    return [group for group in found if group.answers]


def scatter_note(runs: Sequence[RunRow], verdicts: Sequence[VerdictRow]) -> str | None:
    """A warning if most of the scatter behind all intervals comes from one intervention's runs.

    The intervals rest on one variance for all. Where one intervention's runs lie far apart, it is
    too large for the others; that is said, not corrected.
    """
    squares: dict[str, float] = {}
    for run in runs:
        squares[run.intervention] = squares.get(run.intervention, 0.0) + (run.residual or 0.0) ** 2
    total = math.fsum(squares.values())
    name = max(squares, key=lambda intervention: squares[intervention])
    if name == BASELINE or squares[name] <= total / 2:
        return None
    decimals = effect_decimals(verdicts)
    spreads = [fixed(_spread(runs, group), decimals) for group in (name, BASELINE)]
    return (
        f"{squares[name] / total:.0%} of the scatter behind these intervals comes from {name}, "
        f"whose runs differ by {spreads[0]} nats, the baseline’s by {spreads[1]} at most. "
        "The intervals take all changes to scatter alike, so those of the others may be too wide."
    )


def seed_note(runs: Sequence[RunRow]) -> str | None:
    """A warning of interventions that share no seeds with any other, where the model has blocks.

    Blocks take the seeds' scatter out of all other comparisons and so out of the one variance;
    theirs keep it (see `stats/least_squares.py`).
    """
    counted_in = usable(runs)
    pairs: dict[tuple[int, int], set[str]] = {}
    for run in counted_in:
        pairs.setdefault((run.init_seed, run.train_seed), set()).add(run.intervention)
    shared = {pair for pair, arms in pairs.items() if len(arms) > 1}
    inside = {run.intervention for run in counted_in if (run.init_seed, run.train_seed) in shared}
    apart = [run.intervention for run in counted_in if run.intervention not in inside | {BASELINE}]
    if len(shared) < 2 or not apart:
        return None
    names = list(dict.fromkeys(apart))
    one = len(names) == 1
    return (
        f"{listed(names)} {'has' if one else 'have'} seeds that no other run has, so "
        f"{'its interval is' if one else 'their intervals are'} too narrow if seeds scatter more "
        f"than runs on one seed do. Run {'it' if one else 'them'} on seeds that the baseline has."
    )


def _spread(runs: Sequence[RunRow], intervention: str) -> float:
    """Greatest difference between runs of one intervention, their seeds taken into account."""
    residuals = [run.residual for run in runs if run.intervention == intervention]
    known = [residual for residual in residuals if residual is not None]
    return max(known, default=0.0) - min(known, default=0.0)


def facts(
    runs: Sequence[RunRow], verdicts: Sequence[VerdictRow], baseline: str, alpha: float
) -> list[tuple[str, str]]:
    """The study in a few numbers: (number, what it is)."""
    decimals = effect_decimals(verdicts)
    result = [(f"{len(runs)}", "training run" if len(runs) == 1 else "training runs")]
    tokens = {row.tokens for row in runs}
    if len(tokens) == 1:
        result.append((f"{tokens.pop():,}", "tokens each"))
    loss = next((row.test_loss for row in runs if row.run == baseline), None)
    result.append((fixed(loss), f"test loss of {baseline}, nats"))
    half = band_half_width(verdicts, alpha)
    if half is not None:
        label = f"noise band, nats: {1 - alpha:.0%} of single baseline runs"
        result.append((f"± {fixed(half, decimals)}", label))
    return result
