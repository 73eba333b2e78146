"""The page says which comparisons start from the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from noiseband.io.tables import write_rows
from noiseband.report.views.starts import LARGEST_MATRIX, starts
from noiseband.repro.starts import RunStart, SharedTensors
from tests.fake_runs import BASELINES
from tests.pages import make
from tests.report.test_page import words_of
from tests.small_study import write_study

SAME = RunStart("baseline-42", "plain", "aa", 4, "baseline-42", "same point", 4, 0, 0, 0)
MORE = RunStart("qkv-42", "qkv", "bb", 6, "baseline-42", "same where both have it", 4, 2, 0, 0)
MOVED = RunStart("odd-42", "odd", "cc", 4, "baseline-42", "moved", 3, 0, 0, 1, "out_head.weight")
PAIRS = [
    SharedTensors("plain", "plain", 4, 4), SharedTensors("plain", "qkv", 4, 4),
    SharedTensors("plain", "odd", 3, 4), SharedTensors("qkv", "plain", 4, 6),
    SharedTensors("qkv", "qkv", 6, 6), SharedTensors("qkv", "odd", 0, 6),
    SharedTensors("odd", "plain", 3, 4), SharedTensors("odd", "qkv", 0, 4),
    SharedTensors("odd", "odd", 4, 4),
]  # fmt: skip


def write(tables: Path, rows: list[RunStart], pairs: list[SharedTensors]) -> None:
    write_rows(tables / "init.csv", RunStart, rows)
    write_rows(tables / "starts.csv", SharedTensors, pairs)


def test_runs_are_gathered_by_their_starting_point(tmp_path: Path) -> None:
    again = replace(SAME, run="baseline-42-23")
    trained = RunStart("extended", "run:baseline-42")
    write(tmp_path, [SAME, MORE, again, MOVED, trained], PAIRS)
    found = starts(tmp_path)
    assert [(p.letter, p.found.start, p.runs, p.against) for p in found.points] == [
        ("A", "plain", ["baseline-42", "baseline-42-23"], "A"),
        ("B", "qkv", ["qkv-42"], "A"),
        ("C", "odd", ["odd-42"], "A"),
        ("D", "run:baseline-42", ["extended"], ""),
    ]
    assert found.letters == ["A", "B", "C"]
    assert [[(c.shared, c.shade) for c in cells] for _, cells in found.matrix] == [
        [(4, 4), (4, 4), (3, 3)],
        [(4, 3), (6, 4), (0, 0)],
        [(3, 3), (0, 0), (4, 4)],
    ]
    assert found.sentence.startswith(
        "4 runs start from 3 points. The starting point differs in odd"
    )


def test_a_moved_start_is_marked_on_the_page(tmp_path: Path) -> None:
    params = write_study(tmp_path, BASELINES[:2], steps=20, models=[], noise={})
    write(tmp_path / "tables", [SAME, MORE], PAIRS)
    calm = make(tmp_path, params).page
    assert "No intervention moves the start" in words_of(calm)
    assert "the same where both have it; 2 extra tensors" in words_of(calm)
    assert 'class="moves"' not in calm
    write(tmp_path / "tables", [SAME, MORE, MOVED], PAIRS)
    page = make(tmp_path, params).page
    assert page.count('class="moves"') == 1
    text = "moves the start: 1 tensor of A has different values, first out_head.weight"
    assert text in words_of(page)


def test_too_many_points_have_no_matrix(tmp_path: Path) -> None:
    names = [f"s{i}" for i in range(LARGEST_MATRIX + 12)]
    rows = [RunStart(f"r{name}", name, name, 1) for name in names]
    write(tmp_path, rows, [SharedTensors(a, b, 0, 1) for a in names for b in names])
    found = starts(tmp_path)
    assert (found.matrix, found.letters) == ([], [])
    assert [found.points[i].letter for i in (25, 26, 27)] == ["Z", "AA", "AB"]
