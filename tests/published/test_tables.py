"""The series' own numbers are reproduced, except for its marked mistakes."""

from __future__ import annotations

import pytest

from noiseband.published import data, losses, tuning
from noiseband.published.table import Table
from noiseband.published.tables import tables


def cells(table: Table, row: str) -> dict[str, str]:
    (found,) = [cells for cells in table.rows if cells[0] == row]
    return dict(zip(table.columns, found, strict=True))


def test_the_data_are_whole() -> None:
    assert len(data.runs()) == 31
    assert len(data.scores()) == 87
    assert len([one for one in data.cloud() if not one.interventions]) == 7
    assert data.run("8xa100m40-baseline").train_seed == 42  # one seed served both
    with pytest.raises(KeyError):
        data.run("none")


def test_effects_are_against_seed_42_and_verdicts_against_all_seven() -> None:
    table = losses.interventions()
    decay = cells(table, "weight-decay-gpt2")
    assert (decay["vs seed 42"], decay["verdict"]) == ("+0.048586", "within noise")
    schedule = cells(table, "schedule-learning-rate")
    assert (schedule["adjusted p"], schedule["verdict"]) == ("0.005", "helps")
    assert cells(table, "remove-dropout")["adjusted p"] == "0.065"
    harms = [row[0] for row in table.rows if row[-1] == "hurts"]
    assert harms == ["weight-decay-cerebras", "weight-tying"]


def test_noise_as_printed_and_as_it_is() -> None:
    table = losses.noise()
    printed = {row[0]: row[3:7] for row in table.rows}
    assert printed == {
        "init-and-train": ("0.0154919", "0.015492", "", "0.018974"),
        "train-only": ("0.008672", "0.005007", "differs", "0.006132"),
        "init-only": ("0.012062", "0.006964", "differs", "0.008529"),
    }
    assert cells(table, "init-and-train")["± 2 SD"] == "3.635 to 3.711"
    for row in table.rows:
        one = dict(zip(table.columns, row, strict=True))
        note = next(note for note in table.notes if note.startswith("Printed ranges of 3 SDs"))
        printed_range = note.partition(f"{row[0]}, ")[2].partition(";")[0].rstrip(".")
        low, high = map(float, printed_range.split(" to "))
        assert (low + high) / 2 == pytest.approx(float(one["mean"]), abs=1e-6)
        assert (high - low) / 6 == pytest.approx(float(one["SD printed"]), abs=1e-6)


def test_the_printed_sds_are_square_roots_of_sums_of_squares() -> None:
    for one in losses.components()[1:]:
        assert one.sd is not None
        root = one.sd * (one.n - 1) ** 0.5
        assert f"{root:.6f}" == data.figures()[f"sd-{one.component}"]


def test_the_gap_and_the_stacks() -> None:
    assert [row[2:] for row in losses.gap().rows] == [("60", "59", "differs"), ("82", "82", "")]
    five = cells(losses.stacks(), "five added up; best stack")
    assert (five["predicted"], five["got"]) == ("0.223789", "0.113765")
    assert cells(losses.stacks(), "stacked-2")["predicted"] == "0.223789"


def test_every_published_rank_comes_out_again() -> None:
    ranked = 0
    for protocol in tuning.protocols():
        for row in tuning.finetuning(protocol).rows:
            assert row[-1] == ""
            ranked += bool(row[-3])
            assert not row[-3] or row[-3] == row[-2]
    assert ranked == 4 * 13
    four = [row for row in tuning.finetuning("four-epochs").rows if row[-2] == "11="]
    assert len(four) == 2


def test_averages_are_the_published_ones() -> None:
    mean = tuning.averages("early-stop-three-rounds")
    for name, (local, cloud) in tuning.TWINS.items():
        key = "stack" if name == "stacked-1" else "baseline"
        assert f"{mean[local]:.2f}" == data.figures()[f"score-twin-local-{key}"]
        assert f"{mean[cloud]:.2f}" == data.figures()[f"score-twin-cloud-{key}"]


def test_machines_are_compared_where_a_recipe_ran_on_several() -> None:
    table = losses.machines()
    assert [row[0] for row in table.rows] == ["baseline"] * 2 + ["stacked-1"] * 3
    assert {row[3] for row in table.rows} >= {"3.538161", "3.548880"}
    assert "8xa100m40-baseline-2" not in {row[1] for row in table.rows}


def test_rows_fit_their_columns_and_numbers_stand_right() -> None:
    for table in tables().values():
        assert all(len(row) == len(table.columns) for row in table.rows)
    noise = losses.noise()
    assert [noise.numeric(i) for i in range(5)] == [False, True, True, True, True]
    assert not losses.machines().numeric(1)  # names that begin with a digit
