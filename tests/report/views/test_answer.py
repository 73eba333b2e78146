"""What the first screen adds to the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.analysis.tables import write_tables
from noiseband.io.tables import read_rows
from noiseband.report.views.answer import facts, groups, scatter_note, seed_note
from tests.fake_runs import FakeRun
from tests.small_study import write_study


def tables(
    folder: Path, losses: dict[str, Sequence[float]]
) -> tuple[list[RunRow], list[VerdictRow]]:
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
        read_rows(folder / "tables" / "runs.csv", RunRow),
        read_rows(folder / "tables" / "verdicts.csv", VerdictRow),
    )


def test_one_wild_intervention_is_named(tmp_path: Path) -> None:
    runs, verdicts = tables(
        tmp_path, {"baseline": [5.0, 5.02], "wild": [5.0, 5.5], "calm": [5.0, 5.02]}
    )
    # Squares about the mean: 2 * 0.01^2, 2 * 0.25^2, 2 * 0.01^2.
    note = scatter_note(runs, verdicts)
    assert note is not None
    assert note.startswith("100% of the scatter behind these intervals comes from wild")
    assert "runs differ by 0.50 nats; the baseline’s differ by at most 0.02" in note


def test_even_scatter_needs_no_word(tmp_path: Path) -> None:
    alike = tables(tmp_path / "alike", {"baseline": [5.0, 5.1], "a": [5.0, 5.1], "b": [5.1, 5.0]})
    uneven = tables(
        tmp_path / "uneven", {"baseline": [5.0, 5.1], "a": [5.0, 5.11], "b": [5.1, 5.0]}
    )
    baseline = tables(tmp_path / "baseline", {"baseline": [5.0, 6.0], "a": [5.0, 5.1]})
    single = tables(tmp_path / "single", {"baseline": [5.0], "a": [5.1]})
    assert [scatter_note(*each) for each in (alike, uneven, baseline, single)] == [None] * 4


def seeded(folder: Path, pairs: dict[str, Sequence[int]]) -> list[RunRow]:
    runs = [
        FakeRun(f"{name}-{seed}", 5.0 + seed / 100, name, [], (seed, seed))
        for name, seeds in pairs.items()
        for seed in seeds
    ]
    write_tables(write_study(folder, runs, steps=2, models=[], noise={}), folder)
    return read_rows(folder / "tables" / "runs.csv", RunRow)


def test_an_intervention_on_seeds_of_its_own_is_named(tmp_path: Path) -> None:
    """There is no note for shared seeds, nor if no block removes the seeds' scatter."""
    note = seed_note(seeded(tmp_path / "x", {"baseline": [1, 2], "a": [1, 2], "lone": [3]}))
    assert note is not None
    assert note.startswith("lone has seeds that no other run has")
    two = seed_note(seeded(tmp_path / "y", {"baseline": [1, 2], "a": [1, 2], "b": [3], "c": [4]}))
    assert two is not None
    assert two.startswith("b and c have seeds")
    assert seed_note(seeded(tmp_path / "z", {"baseline": [1, 2], "a": [1], "lone": [3]})) is None
    assert seed_note(seeded(tmp_path / "w", {"baseline": [1, 2, 7], "a": [1, 2]})) is None


def test_groups_begin_with_what_helps_and_the_largest_effect(tmp_path: Path) -> None:
    _, verdicts = tables(
        tmp_path,
        {
            "baseline": [5.0, 5.002, 5.001],
            "worse": [6.0],
            "good": [4.5],
            "better": [4.0],
            "same": [5.001],
        },
    )
    found = groups(verdicts)
    assert [(group.verdict, [name for name, _ in group.answers]) for group in found] == [
        ("helps", ["better", "good"]),
        ("hurts", ["worse"]),
        ("within noise", ["same"]),
    ]


def test_facts_give_the_noise_band(tmp_path: Path) -> None:
    runs, verdicts = tables(tmp_path, {"baseline": [5.0, 5.2], "a": [5.0]})
    values = {label: value for value, label in facts(runs, verdicts, "baseline-0", 0.05)}
    assert values["training runs"] == "3"
    assert values["tokens each"] == "2,048"
    assert values["test loss of baseline-0, nats"] == "5.000000"
    # t(0.975, 1) = 12.706 times sqrt(0.02).
    assert values["noise band, nats: 95% of single baseline runs"] == "± 1.80"
