"""An answer as Markdown, for a pull request."""

from __future__ import annotations

from noiseband.referee.answer import Answer
from noiseband.referee.show.lines import explanations, heading, lines
from noiseband.referee.target import TargetVerdicts

SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>#|~"})


def as_markdown(answer: Answer) -> str:
    """A table for each metric, with its explanations, and the notes as a list."""
    blocks = []
    for metric in answer.metrics:
        target = isinstance(metric, TargetVerdicts)
        head = [
            "arm",
            "runs",
            *(["mean", "mean − target"] if target else ["effect"]),
            "p",
            "verdict",
        ]
        rows = [head, ["---", "--:", *(["--:"] if target else []), "--:", "--:", "---"]]
        for line in lines(metric):
            held = f" ({line.held})" if line.held else ""
            cells = [line.arm, line.runs, *([line.mean] if target else []), line.effect]
            words = [escaped(cell) for cell in (*cells, line.p_value, line.verdict + held)]
            rows.append(words)
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        told = " ".join(map(escaped, explanations(metric)))
        blocks.append(f"**{escaped(heading(metric))}**\n\n{table}\n\n{told}")
    notes = "\n".join(f"- {escaped(note)}" for note in answer.notes)
    return "\n\n".join([*blocks, *([notes] if notes else [])])


def escaped(text: str) -> str:
    """The text with every character that Markdown reads escaped, on one line."""
    return " ".join(text.translate(SPECIAL).split())
