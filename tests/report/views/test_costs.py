"""The costs of more runs, and the advice if no recipe was run twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.analysis.tables import write_tables
from noiseband.errors import UserError
from noiseband.io.files import write_text
from noiseband.io.tables import read_rows
from noiseband.report.page import write_report
from noiseband.report.views.costs import Costs, costs
from noiseband.stats.repeats import enough_repeats, repeats
from tests.fake_runs import CLIPPING, NO_DROPOUT, FakeRun
from tests.pages import make
from tests.small_study import MACHINES, write_study

SINGLE = [
    FakeRun("baseline-42", 5.0),
    FakeRun("clip-42", 4.9, "clip", ["clip"], difference=CLIPPING),
    FakeRun("no-dropout-42", 4.8, "no-dropout", ["no-dropout"], difference=NO_DROPOUT),
]
TABLE = """
models: {small: {vocabulary: 4096, context: 64, width: 64, heads: 4, layers: 2}}
machines:
  laptop:
    {devices: 1, memory_gib: 8, usd_per_hour: 7.2, watts: 100, source: a test, rates: [
      {model: small, precision: float32, dropout: true, tokens_per_second: 6400},
      {model: small, precision: float32, dropout: false, tokens_per_second: 12800}]}
"""


@pytest.fixture
def machines(tmp_path: Path) -> Path:
    table = tmp_path / "machines.yaml"
    table.write_text(TABLE)
    return table


def found(folder: Path, runs: list[FakeRun], table: Path) -> Costs:
    params = write_study(folder, runs, steps=400, models=[], noise={})
    write_tables(params, folder)
    tables = folder / "tables"
    return costs(
        params,
        folder,
        table,
        read_rows(tables / "runs.csv", RunRow),
        read_rows(tables / "verdicts.csv", VerdictRow),
    )


def test_a_run_is_priced_on_its_own_machine(tmp_path: Path) -> None:
    """400 steps of 16 x 64 tokens at half the speed and a third of the price."""
    table = tmp_path / "machines.yaml"
    other = TABLE.split("machines:\n  laptop:\n")[1]
    for old, new in (("7.2", "2.4"), ("6400", "3200"), ("12800", "6400"), ("a test", "another")):
        other = other.replace(old, new)
    table.write_text(f"{TABLE.rstrip()}\n  slow:\n{other}")
    folder = tmp_path / "study"
    params = write_study(folder, SINGLE, steps=400, models=[], noise={})
    params = params.model_copy(update={"machines": {"clip-42": "slow"}})
    write_tables(params, folder)
    rows = read_rows(folder / "tables/runs.csv", RunRow)
    one = costs(params, folder, table, rows, read_rows(folder / "tables/verdicts.csv", VerdictRow))
    assert (one.machine, one.source) == ("laptop and slow", "a test; another")
    assert one.works["clip-42"].seconds == 2 * (one.works["baseline-42"].seconds or 0.0) == 128.0
    assert one.prices["clip-42"] == pytest.approx(128 * 2.4 / 3600)
    everything = one.totals[0][1]
    assert everything.seconds == 64 + 128 + 32
    assert everything.usd == pytest.approx(sum(one.prices.values()))


def test_costs_by_hand(tmp_path: Path, machines: Path) -> None:
    """400 steps of 16 x 64 tokens: 64 s with dropout, 32 s without; $0.002 a second."""
    again = FakeRun("baseline-22", 5.01, seeds=(22, 22))
    one = found(tmp_path / "study", [*SINGLE, again], machines)
    (what, everything), (label, seed) = one.totals
    assert (what, label) == ("all runs", "another seed of everything")
    assert everything.seconds == pytest.approx(64 * 3 + 32)
    assert everything.usd == pytest.approx(0.002 * (64 * 3 + 32))
    assert everything.kwh == pytest.approx(0.1 * (64 * 3 + 32) / 3600)
    assert seed.runs == 3
    assert seed.seconds == pytest.approx(64 * 2 + 32)
    assert one.prices["no-dropout-42"] == pytest.approx(0.002 * 32)
    assert one.measured["clip-42"] == 26.0  # as the study's timing.json says
    assert (one.advice, one.scaled) == (None, False)


def test_the_results_table_has_time_and_where_known_cost(tmp_path: Path, machines: Path) -> None:
    made = make(tmp_path / "study", write_study(tmp_path / "study", SINGLE, models=[], noise={}))
    assert ">Time</th>" in made.page
    assert made.page.count(">Cost</th>") == 1  # of the costs; a laptop has no price
    write_report(made.params, made.results, machines, tmp_path / "priced.html")
    table = (tmp_path / "priced.html").read_text()
    assert table.count(">Cost</th>") == 2
    row = table[table.index("<bdi>no-dropout-42</bdi></th>") :]
    assert '<td class="number" data-value="27.0">27 s</td>' in row[: row.index("</tr>")]
    assert "$0.06" in row[: row.index("</tr>")]


def test_what_to_buy_where_nothing_was_run_twice(tmp_path: Path, machines: Path) -> None:
    one = found(tmp_path / "study", SINGLE, machines)
    enough, least = enough_repeats([1, 1]), repeats([1, 1], 2)
    more = enough.runs - 1
    assert one.advice is not None
    assert f"Train the baseline with {more} more seeds" in one.advice
    assert f"then reaches {enough.half_width:.1f} standard deviations" in one.advice
    assert f"with only 1 more, {least.half_width:.1f}" in one.advice
    assert one.advice.endswith(f"takes {more * 64 // 60} min {more * 64 % 60:02d} s and $0.51.")
    assert one.totals[-1][0] == f"{more} more seeds of the baseline"
    assert one.totals[-1][1].seconds == pytest.approx(64 * more)


def test_the_first_screen_says_so(tmp_path: Path) -> None:
    page = make(tmp_path, write_study(tmp_path, SINGLE, models=[], noise={})).page
    first = page[: page.index('<section id="results"')]
    assert "not enough runs" in first
    assert "more seeds (seeds: {baseline: […]} in the config)" in first
    assert "On laptop that takes" in first


def test_a_run_that_was_interrupted_has_no_measured_time(tmp_path: Path, machines: Path) -> None:
    params = write_study(tmp_path / "study", SINGLE, models=[], noise={})
    timing = tmp_path / "study" / "runs" / "clip-42" / "timing.json"
    write_text(timing, timing.read_text().replace('"steps": 400', '"steps": 150'))
    write_tables(params, tmp_path / "study")
    runs = read_rows(tmp_path / "study" / "tables" / "runs.csv", RunRow)
    assert "clip-42" not in costs(params, tmp_path / "study", machines, runs, []).measured


def test_an_unknown_machine_is_named(tmp_path: Path) -> None:
    made = make(tmp_path, write_study(tmp_path, SINGLE, models=[], noise={}))
    params = made.params.model_copy(update={"machine": "labtop"})
    with pytest.raises(UserError, match=r'machine: "labtop": .*laptop'):
        write_report(params, made.results, MACHINES, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
