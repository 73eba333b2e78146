"""The first screen: one sentence about each change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.assumptions import on_seeds_of_their_own, uneven_scatter
from noiseband.analysis.inference import band_half_width
from noiseband.analysis.rows import Call, RunRow, VerdictRow
from noiseband.report.words import answer, effect_decimals, fixed, listed


@dataclass(frozen=True)
class Group:
    """The interventions of one verdict, the largest effect first."""

    verdict: Call
    answers: list[tuple[str, str]]
    """Each intervention's name and the rest of the sentence."""


def groups(verdicts: Sequence[VerdictRow]) -> list[Group]:
    """Interventions grouped by verdict, those that help first, without empty groups."""
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
    """A warning if most of the scatter behind all intervals comes from one intervention's runs."""
    found = uneven_scatter(runs)
    if found is None:
        return None
    decimals = effect_decimals(verdicts)
    spread, baseline = (fixed(x, decimals) for x in (found.spread, found.baseline_spread))
    return (
        f"{found.share:.0%} of the scatter behind these intervals comes from {found.intervention}, "
        f"whose runs differ by {spread} nats; the baseline’s differ by at most {baseline}. "
        "The intervals assume that all changes scatter alike, so the others may be too wide."
    )


def seed_note(runs: Sequence[RunRow]) -> str | None:
    """A warning if the model has blocks and some interventions share no seeds with another arm."""
    names = on_seeds_of_their_own(runs)
    if not names:
        return None
    one = len(names) == 1
    return (
        f"{listed(names)} {'has' if one else 'have'} seeds that no other run has, so "
        f"{'its interval is' if one else 'their intervals are'} too narrow if seeds scatter more "
        f"than runs on one seed do. Run {'it' if one else 'them'} on seeds that the baseline has."
    )


def facts(
    runs: Sequence[RunRow], verdicts: Sequence[VerdictRow], baseline: str, alpha: float
) -> list[tuple[str, str]]:
    """The study in a few numbers, as (number, label)."""
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
