"""Numbers and results in words, for charts and for the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from noiseband.duration import duration

# Imported inside functions, because rows import all statistics, and who only writes numbers should
# not wait for them.
if TYPE_CHECKING:
    from noiseband.analysis.rows import DocumentsRow, ItemsRow, MetricRow, VerdictRow

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"


def fixed(value: float | None, decimals: int = 6) -> str:
    """A number as `4.861234`, with a real minus sign; a dash for None."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "not finite"
    # Adding zero turns a rounded -0 into 0.
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", MINUS)


def signed(value: float | None, decimals: int = 6) -> str:
    """A change as `+0.012`, `−0.012` or `0.000`."""
    text = fixed(value, decimals)
    if value is None or not math.isfinite(value) or not round(value, decimals):
        return text
    return f"+{text}" if value > 0 else text


def p_text(p_value: float | None) -> str:
    """A p-value as `0.24`, `0.0031` or `< 0.001`: no study here tells smaller ones apart."""
    if p_value is None:
        return NOTHING
    if p_value < 0.001:
        return "< 0.001"
    return f"{p_value:.2f}" if p_value >= 0.095 else f"{p_value:.2g}"


def whole_percent(share: float) -> str:
    """A share as `59%`, with a real minus sign."""
    return f"{round(100 * share) + 0:d}%".replace("-", MINUS)


def percent(share: float | None) -> str:
    """A share as `0.14%`; `< 0.01%` for a small one that is not zero; a dash for None."""
    if share is None:
        return NOTHING
    return "< 0.01%" if 0 < share < 0.00005 else f"{share:.2%}"


def decimals_of(spread: float | None, digits: int = 2) -> int:
    """The number of decimals that shows `digits` digits of a spread; any more are noise. Of a
    spread below 10, at least two."""
    if spread is None or not math.isfinite(spread) or spread <= 0:
        return digits + 2
    return min(6, max(2 if spread < 10 else 0, digits - 1 - math.floor(math.log10(spread))))


def effect_decimals(verdicts: Sequence[VerdictRow], digits: int = 2) -> int:
    """The number of decimals worth showing of an effect: those up to the noise's first digits."""
    return decimals_of(next((row.residual_sd for row in verdicts), None), digits)


def difference_decimals(rows: Sequence[DocumentsRow]) -> int:
    """The number of decimals worth showing of the difference of two models: those up to the first
    digits of the smallest standard error."""
    return decimals_of(min((row.difference_se for row in rows if row.difference_se), default=None))


def listed(words: Sequence[str]) -> str:
    """Words joined as `a`, `a and b` or `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun, as `1 run` or `1,024 runs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def time(seconds: float | None) -> str:
    """A time as `3 h 25 min`; a dash for None."""
    return NOTHING if seconds is None else duration(seconds)


def unbroken(text: str) -> str:
    """The text with no-break spaces, so that it stays on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def spelled(component: str) -> str:
    """A noise component's key as a heading: `train only`; `all seeds` for `init_and_train`."""
    return "all seeds" if component == "init_and_train" else component.replace("_", " ")


def with_unit(metric: MetricRow) -> str:
    """A metric as a heading: `code loss, nats`."""
    name = metric.metric.replace("_", " ")
    return f"{name}, {metric.unit}" if metric.unit else name


def better(metric: MetricRow) -> str:
    """The direction of a metric: `lower is better`."""
    return f"{metric.better} is better"


def answer(row: VerdictRow, decimals: int, metric: str = "test loss") -> str:
    """What the study says about one intervention, as the rest of a sentence after its name.

    `metric` is the primary metric in words.
    """
    from noiseband.analysis.rows import Call

    failed = len(row.runs_without_value)
    if row.runs == 0 and failed:
        return f"has no run with a finite {metric}: {counted(failed, 'run')} ended without one."
    if row.runs == 0:
        return "has no run to compare with the baseline."
    lost = f" {counted(failed, 'more run')} ended without a finite {metric}." if failed else ""
    if row.verdict == Call.IDENTICAL:
        return f"changes nothing: its runs are those of the baseline, bit for bit.{lost}"
    if row.effect is None:
        return f"has no run to compare with the baseline.{lost}"
    size = fixed(abs(row.effect), decimals)
    direction = "lowers" if row.effect < 0 else "raises"
    if row.low is None or row.high is None:
        if row.scatter_ratio is not None:
            return (
                f"{direction} the {metric} by {size}, but scatters {ratio(row.scatter_ratio)} as "
                f"much as the other arms, and has too few runs of its own.{lost}"
            )
        return (
            f"{direction} the {metric} by {size}, but nothing was run twice to compare with.{lost}"
        )
    if row.low <= 0 <= row.high:
        between = unbroken(f"{signed(row.low, decimals)} to {signed(row.high, decimals)}")
        return f"changes the {metric} by {signed(row.effect, decimals)} ({between}).{lost}"
    near, far = sorted((abs(row.low), abs(row.high)))
    between = unbroken(f"{fixed(near, decimals)} to {fixed(far, decimals)}")
    held = firmness(row)
    held = f" This {held}." if held.startswith("holds") else ""
    return f"{direction} the {metric} by {size} ({between}).{held}{lost}"


def ratio(times: float | None) -> str:
    """A ratio as `0.4 times`, `2.3 times` or `12 times`; a dash for None."""
    if times is None:
        return NOTHING
    return f"{times:.0f} times" if times >= 9.5 else f"{times:.1f} times"


def firmness(row: VerdictRow) -> str:
    """How far a called verdict depends on the variance that all arms share: `firm`, or `holds
    unless it is 2.3 times as noisy as the other changes`; a dash for other verdicts."""
    from noiseband.analysis.rows import Call

    if row.tipping_ratio is None or row.verdict not in (Call.HELPS, Call.HURTS):
        return NOTHING
    if row.firm:
        return "firm"
    return f"holds unless it is {ratio(row.tipping_ratio)} as noisy as the other arms"


def differ(row: DocumentsRow) -> str:
    """Whether other texts would tell two models apart: `yes, the first has a lower loss`, or `not
    shown`."""
    if row.difference_se == 0:
        return "no, they are equal on every document"
    if row.difference_low <= 0 <= row.difference_high:
        return "not shown"
    return f"yes, the first has a {'lower' if row.difference < 0 else 'higher'} loss"


def items_differ(row: ItemsRow) -> str:
    """Whether other items would tell two models apart: `yes` or `not shown`."""
    if row.difference_se == 0 and row.difference == 0:
        return "no, they are equal on every item"
    return "not shown" if row.difference_low <= 0 <= row.difference_high else "yes"


def item_decimals(row: ItemsRow) -> int:
    """The number of decimals worth showing of a difference over items."""
    return decimals_of(row.difference_se)


def test_tokens(row: DocumentsRow) -> str:
    """The tokens that a test set needs, rounded up to two digits: `2,400,000`; or `enough`."""
    if row.tokens_needed is None:
        return NOTHING
    if row.tokens_needed <= row.tokens:
        return "enough"
    unit = 10 ** max(0, len(str(row.tokens_needed)) - 2)
    return f"{-(-row.tokens_needed // unit) * unit:,}"


def seeds(row: VerdictRow) -> str:
    """The seeds, shared by both arms, that give 80% power: `4 to 12`, or `9 or more`."""
    if row.seeds_low is None:
        return NOTHING
    if row.seeds_high is None:
        return f"{row.seeds_low:,} or more"
    if row.seeds_low == row.seeds_high:
        return f"{row.seeds_low:,}"
    return f"{row.seeds_low:,} to {row.seeds_high:,}"


def summary(rows: Sequence[VerdictRow]) -> str:
    """The whole study in a sentence: `Of 12 changes, 3 help, 2 hurt and 7 are within the noise.`"""
    from noiseband.analysis.rows import Call

    if not rows:
        return "No change has been tried yet: the study holds runs of the baseline alone."
    phrases = {
        Call.HELPS: ("helps", "help"),
        Call.HURTS: ("hurts", "hurt"),
        Call.NO_DIFFERENCE: ("makes no difference that matters", "make no difference that matters"),
        Call.WITHIN_NOISE: ("is within the noise", "are within the noise"),
        Call.NOT_ENOUGH_RUNS: ("has not enough runs", "have not enough runs"),
        Call.IDENTICAL: ("is identical to the baseline", "are identical to the baseline"),
    }
    parts = []
    for call, (one, many) in phrases.items():
        number = sum(row.verdict == call for row in rows)
        if number:
            parts.append(f"{number} {one if number == 1 else many}")
    return f"Of {counted(len(rows), 'change')}, {listed(parts)}."
