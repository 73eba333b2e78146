"""An answer as text for a terminal: a table, with a small chart of the intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.referee.answer import Answer
from noiseband.referee.judgement import MetricVerdicts
from noiseband.referee.show.lines import Line, explanations, heading, lines
from noiseband.referee.target import TargetCall, TargetVerdicts
from noiseband.stats.verdicts import Call
from noiseband.terminal import one_line

GOOD = {str(Call.HELPS), str(TargetCall.BETTER)}
BAD = {str(Call.HURTS), str(TargetCall.WORSE)}
LONGEST_CHART, SHORTEST_CHART = 48, 9
LONGEST_ARM = 32
OUTSIDE = 4.0
"""A row that reaches this many times as far as most is not drawn to scale."""


@dataclass(frozen=True)
class Signs:
    """The characters of the chart."""

    line: str = "─"
    zero: str = "│"
    estimate: str = "●"
    low: str = "├"
    high: str = "┤"
    crossed: str = "┼"
    """Where an interval contains zero."""
    left: str = "◂"
    right: str = "▸"


PLAIN = str.maketrans({"−": "-", "–": "-", "±": "+-", "×": "x", "…": "~"})
"""Other characters, for terminals without these."""
ASCII = Signs("-", "|", "o", "[", "]", "+", "<", ">")


def as_text(answer: Answer, width: int = 80, colour: bool = False, ascii: bool = False) -> str:
    """The tables of all metrics, at most `width` characters wide where names allow it.

    With `ascii`, what noiseband itself writes is ASCII.
    """
    signs = ASCII if ascii else Signs()
    blocks = [_block(metric, width, colour, signs) for metric in answer.metrics]
    notes = [_wrapped(f"note: {note}.", width) for note in answer.notes]
    text = "\n\n".join([*blocks, *(["\n".join(notes)] if notes else [])])
    return text.translate(PLAIN) if ascii else text


def _block(metric: MetricVerdicts | TargetVerdicts, width: int, colour: bool, signs: Signs) -> str:
    rows = lines(metric)
    target = isinstance(metric, TargetVerdicts)
    head = ("arm", "runs", "mean", "mean − target" if target else "effect", "p", "verdict")
    cells = [head, *(_cells(row, width) for row in rows)]
    if not target:
        cells = [(arm, runs, *rest) for arm, runs, _, *rest in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = width - sum(widths) - 2 * len(widths)
    chart = _chart(rows, min(left, LONGEST_CHART), signs) if left >= SHORTEST_CHART else []
    found = [_wrapped(heading(metric), width), ""]
    for number, row in enumerate(cells):
        padded = [
            cell.ljust(size) if place in (0, len(row) - 1) else cell.rjust(size)
            for place, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        if number and colour:
            padded[-1] = _tinted(padded[-1], rows[number - 1].verdict)
        if chart:
            padded.append(chart[number])
        found.append("  ".join(padded).rstrip())
    return "\n".join([*found, "", *(_wrapped(one, width) for one in explanations(metric))])


def _cells(row: Line, width: int) -> tuple[str, ...]:
    held = f" ({row.held})" if row.held else ""
    arm = _short(one_line(row.arm), max(12, min(LONGEST_ARM, width // 5)))
    return arm, row.runs, row.mean, row.effect, row.p_value, row.verdict + held


def _short(name: str, longest: int) -> str:
    """A name with its middle left out, so that names with a common start stay apart."""
    if len(name) <= longest:
        return name
    head = (longest - 1) // 2
    return f"{name[:head]}…{name[head + 1 - longest :]}"


def _tinted(text: str, verdict: str) -> str:
    code = "32" if verdict in GOOD else "31" if verdict in BAD else "2"
    return f"\x1b[{code}m{text}\x1b[0m"


def _chart(rows: Sequence[Line], width: int, signs: Signs) -> list[str]:
    """The head of the chart and a line for each row, all on one scale with zero in it.

    The scale is that of most rows: one that is far outside is an arrow at the edge.
    """
    reaches = [(min(ends), max(ends)) for row in rows if (ends := _ends(row))]
    sizes = sorted(max(abs(low), abs(high)) for low, high in reaches)
    limit = OUTSIDE * sizes[len(sizes) // 2] if sizes else 0.0
    inside = [(low, high) for low, high in reaches if max(abs(low), abs(high)) <= limit]
    low = min([0.0, *(low for low, _ in inside)])
    high = max([0.0, *(high for _, high in inside)])
    if low == high:
        return [""] * (len(rows) + 1)
    scale = Scale(low, high, width, signs)
    head = [" "] * width
    head[scale.place(0.0)] = "0"
    return ["".join(head), *(scale.drawn(row) for row in rows)]


def _ends(row: Line) -> list[float]:
    return [end for end in (row.low, row.value, row.high) if end is not None]


@dataclass(frozen=True)
class Scale:
    """The numbers from `low` to `high` on a line of `width` characters."""

    low: float
    high: float
    width: int
    signs: Signs

    def place(self, value: float) -> int:
        """The place of a number, from 0 on; that of the nearest end if it is outside."""
        found = round((value - self.low) / (self.high - self.low) * (self.width - 1))
        return min(max(found, 0), self.width - 1)

    def drawn(self, row: Line) -> str:
        """A row's interval and estimate, with zero."""
        line, signs = [" "] * self.width, self.signs
        zero = self.place(0.0)
        line[zero] = signs.zero
        if row.low is not None and row.high is not None:
            begin, end = self.place(row.low), self.place(row.high)
            line[begin : end + 1] = signs.line * (end - begin + 1)
            line[begin] = signs.left if row.low < self.low else signs.low
            line[end] = signs.right if row.high > self.high else signs.high
            if begin < zero < end:
                line[zero] = signs.crossed
        if row.value is not None:
            outside = signs.left if row.value < self.low else signs.right
            seen = self.low <= row.value <= self.high
            line[self.place(row.value)] = signs.estimate if seen else outside
        return "".join(line)


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(one_line(text), width, break_long_words=False, break_on_hyphens=False)
