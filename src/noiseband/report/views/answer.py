"""The first screen: one sentence about each change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.inference import band_half_width
from noiseband.analysis.rows import Call, RunRow, VerdictRow
from noiseband.report.words import answer, effect_decimals, fixed, listed, ratio
from noiseband.study.metrics import NamedMetric
from noiseband.study.table_params import TablesParams


@dataclass(frozen=True)
class Group:
    """The interventions of one verdict, the largest effect first."""

    verdict: Call
    answers: list[tuple[str, str]]
    """Each intervention's name and the rest of the sentence."""


def groups(verdicts: Sequence[VerdictRow], metric: NamedMetric) -> list[Group]:
    """Interventions grouped by verdict, those that help first, without empty groups."""
    decimals = effect_decimals(verdicts, digits=1)
    by_size = sorted(verdicts, key=lambda row: -abs(row.effect or 0.0))
    found = [
        Group(
            call,
            [
                (row.intervention, answer(row, decimals, metric.label))
                for row in by_size
                if row.verdict == call
            ],
        )
        for call in Call
    ]
    return [group for group in found if group.answers]


def scatter_note(verdicts: Sequence[VerdictRow]) -> str | None:
    """A sentence about interventions that scatter too differently to share a variance."""
    odd = [row for row in verdicts if row.scatter_ratio is not None]
    if not odd:
        return None
    each = listed([f"{row.intervention} ({ratio(row.scatter_ratio)})" for row in odd])
    one = len(odd) == 1
    return (
        f"{each} {'scatters' if one else 'scatter'} out of line with the other runs: in brackets, "
        f"how many times as much. {'It is' if one else 'They are'} judged by "
        f"{'its' if one else 'their'} own runs alone, and the other intervals do not depend on "
        f"{'it' if one else 'them'}."
    )


def facts(
    params: TablesParams, runs: Sequence[RunRow], verdicts: Sequence[VerdictRow]
) -> list[tuple[str, str]]:
    """The study in a few numbers, as (number, label)."""
    decimals = effect_decimals(verdicts)
    result = [(f"{len(runs)}", "training run" if len(runs) == 1 else "training runs")]
    tokens = {row.tokens for row in runs}
    if len(tokens) == 1 and (each := tokens.pop()) is not None:
        result.append((f"{each:,}", "tokens each"))
    metric, unit = params.primary, f", {params.primary.unit}" if params.primary.unit else ""
    value = next((row.value for row in runs if row.run == params.baseline), None)
    result.append((fixed(value), f"{metric.label} of {params.baseline}{unit}"))
    half = band_half_width(verdicts)
    if half is not None:
        label = f"noise band{unit}: {1 - params.alpha:.0%} of new baseline runs"
        result.append((f"± {fixed(half, decimals)}", label))
    return result
