"""Test `noiseband published` as people type it."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.cli.command import run


def test_all_tables_in_plain_text_when_piped() -> None:
    done = run("published")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    for text in ("0.008672", "0.005007", "0.223789", "[mistakes; 32a to 32m]", "Kendall's W"):
        assert text in done.stdout
    wide = [line for line in done.stdout.splitlines() if len(line) > 120]
    assert not wide


def test_one_table_and_csv(tmp_path: Path) -> None:
    one = run("published", "--table", "gap").stdout
    assert one.count("[") == 1
    assert "59  differs" in one
    done = run("published", "--csv", tmp_path)
    assert len(done.stdout.split()) == len(list(tmp_path.iterdir())) == 13
    with open(tmp_path / "gap.csv") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["printed"] == "60"
    assert rows[0]["agreement"] == "differs"


def test_an_unknown_table_is_one_line() -> None:
    done = run("published", "--table", "mistake")
    assert done.returncode == 2
    assert done.stderr == "noiseband: --table mistake: no such table; did you mean mistakes?\n"
