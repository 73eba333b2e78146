"""The report's view of starting points: their runs, and the tensors that two of them share."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

from noiseband.io.tables import read_rows
from noiseband.report.words import counted
from noiseband.repro.starts import MOVED, TRAINED, RunStart, SharedTensors

LARGEST_MATRIX = 16
"""The matrix is left out if there are more starting points; it would not fit on the page."""


@dataclass(frozen=True)
class Point:
    """A starting point and the runs that start there."""

    letter: str
    found: RunStart
    """The row of `init.csv` for the first of `runs`."""
    runs: list[str]
    against: str
    """Letter of the point where the baseline with the same init_seed starts; empty if none does."""

    @property
    def trained(self) -> bool:
        """Whether the starting point is another run's final weights."""
        return self.found.start.startswith(TRAINED)


@dataclass(frozen=True)
class Cell:
    """A comparison of two starting points."""

    shared: int
    """The number of tensors that are equal in both."""
    shade: int
    """0 if no tensor is shared, 4 if all are, and 1 to 3 for each third of the range between."""


@dataclass(frozen=True)
class Starts:
    """All starting points of a study."""

    points: list[Point]
    letters: list[str]
    """Letters of the points in the matrix; empty if there are too many points."""
    matrix: list[tuple[str, list[Cell]]]

    @property
    def any_reference(self) -> bool:
        """Whether some point was compared with the reference's digests."""
        return any(point.found.reference for point in self.points)

    @property
    def sentence(self) -> str:
        """The sentence that says which comparisons start from the same weights."""
        drawn = [point for point in self.points if not point.trained]
        moved = [run for point in drawn if point.found.comparison == MOVED for run in point.runs]
        runs = sum(len(point.runs) for point in drawn)
        places = f"{counted(runs, 'run')} start from {counted(len(drawn), 'point')}. "
        if moved:
            return places + (
                f"The starting point differs in {', '.join(moved)}: a comparison with the baseline "
                "mixes the effect of the change with that of other initial weights."
            )
        return places + (
            "No intervention moves the start: every tensor that a run has in common with the "
            "baseline run of its seed has the same initial values in both."
        )


def starts(tables: Path) -> Starts:
    """Read `init.csv` and `starts.csv`; the result is empty if one of them is missing."""
    files = tables / "init.csv", tables / "starts.csv"
    if not all(file.exists() for file in files):
        return Starts([], [], [])
    rows = read_rows(files[0], RunStart)
    letters = {start: _letter(i) for i, start in enumerate(dict.fromkeys(r.start for r in rows))}
    of_run = {row.run: letters[row.start] for row in rows}
    points = [
        _point(letter, [row for row in rows if row.start == start], of_run)
        for start, letter in letters.items()
    ]
    pairs = {(pair.start, pair.other): pair for pair in read_rows(files[1], SharedTensors)}
    drawn = [start for start in letters if not start.startswith(TRAINED)]
    if len(drawn) > LARGEST_MATRIX:
        return Starts(points, [], [])
    matrix = [(letters[a], [_cell(pairs[a, b]) for b in drawn]) for a in drawn]
    return Starts(points, [letters[start] for start in drawn], matrix)


def _point(letter: str, rows: list[RunStart], of_run: dict[str, str]) -> Point:
    against = of_run.get(rows[0].compared_with or "", "")
    return Point(letter, rows[0], [row.run for row in rows], against)


def _cell(pair: SharedTensors) -> Cell:
    share = pair.shared / pair.tensors if pair.tensors else 0.0
    return Cell(pair.shared, 0 if not pair.shared else 4 if share == 1 else 1 + int(3 * share))


def _letter(number: int) -> str:
    """The letter of a starting point: A, B, …, Z, AA, AB, …"""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = string.ascii_uppercase[rest] + letters
    return letters
