"""What the first screen adds to the verdicts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from noiseband.analysis.rows import Call, RunRow, VerdictRow
from noiseband.analysis.tables import write_tables
from noiseband.io.tables import read_rows
from noiseband.report.views.answer import facts, groups, scatter_note
from noiseband.study.metrics import NamedMetric
from noiseband.study.table_params import ReportParams
from tests.fake_runs import FakeRun
from tests.small_study import write_study


def tables(
    folder: Path, losses: dict[str, Sequence[float]]
) -> tuple[ReportParams, list[RunRow], list[VerdictRow]]:
    """Tables of a study with these losses for each intervention, with another seed for each run."""
    runs = [
        FakeRun(
            f"{name}-{number}",
            loss,
            name,
            [] if name == "baseline" else [name],
            (1000 * place + number,) * 2,
            {} if name == "baseline" else {"model.dropout": [0.1, 0.01 * place]},
        )
        for place, (name, values) in enumerate(losses.items())
        for number, loss in enumerate(values)
    ]
    params = write_study(folder, runs, steps=2, models=[], noise={})
    write_tables(params, folder)
    return (
        params,
        read_rows(folder / "tables" / "runs.csv", RunRow),
        read_rows(folder / "tables" / "verdicts.csv", VerdictRow),
    )


def test_an_intervention_out_of_line_is_named_and_silences_no_other(tmp_path: Path) -> None:
    _, _, verdicts = tables(
        tmp_path,
        {
            "baseline": [5.0, 5.012, 5.021, 5.01],
            "wild": [5.0, 7.2, 5.0, 5.0],
            "calm": [4.6, 4.611, 4.622, 4.612],
        },
    )
    note = scatter_note(verdicts)
    assert note is not None
    assert re.match(r"wild \(\d+ times\) scatters out of line with the other runs", note)
    wild, calm = verdicts
    assert (wild.verdict, calm.verdict) == (Call.WITHIN_NOISE, Call.HELPS)
    assert calm.p_value is not None
    assert calm.p_value < 0.001


def test_even_scatter_needs_no_word(tmp_path: Path) -> None:
    alike = tables(tmp_path / "alike", {"baseline": [5.0, 5.1], "a": [5.0, 5.1], "b": [5.1, 5.0]})
    single = tables(tmp_path / "single", {"baseline": [5.0], "a": [5.1]})
    assert [scatter_note(found) for _, _, found in (alike, single)] == [None, None]


def test_groups_begin_with_what_helps_and_the_largest_effect(tmp_path: Path) -> None:
    _, _, verdicts = tables(
        tmp_path,
        {
            "baseline": [5.0, 5.002, 5.001],
            "worse": [6.0],
            "good": [4.5],
            "better": [4.0],
            "same": [5.001],
        },
    )
    found = groups(verdicts, NamedMetric.test_loss(None))
    assert [(group.verdict, [name for name, _ in group.answers]) for group in found] == [
        ("helps", ["better", "good"]),
        ("hurts", ["worse"]),
        ("within noise", ["same"]),
    ]


def test_facts_give_the_noise_band(tmp_path: Path) -> None:
    params, runs, verdicts = tables(tmp_path, {"baseline": [5.0, 5.2], "a": [5.0]})
    values = {label: value for value, label in facts(params, runs, verdicts)}
    assert values["training runs"] == "3"
    assert values["tokens each"] == "2,048"
    assert values["test loss of baseline-0, nats"] == "5.000000"
    # A new run on new seeds: t(0.975, 1) = 12.706 times sqrt(0.02) times sqrt(1 + 1/2).
    assert values["noise band, nats: 95% of new baseline runs"] == "± 2.20"
