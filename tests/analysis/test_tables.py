"""Tables compared with results computed by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from noiseband.analysis.contamination import contamination_rows
from noiseband.analysis.rows import ContaminationRow, NoiseRow, RunRow, StackRow, VerdictRow
from noiseband.analysis.tables import write_tables
from noiseband.errors import CONFIGFILES, UserError
from noiseband.io.files import write_json, write_text
from noiseband.io.tables import Row, read_rows
from noiseband.stats.verdicts import Assessment, assess
from tests.fake_runs import FakeRun, continued
from tests.small_study import WINDOW, sha, write_study

CLIP = {"optimizer.clip_norm": [None, 0.5]}
BASELINES = [
    FakeRun("baseline-1", 5.0, seeds=(1, 1)),
    FakeRun("baseline-2", 5.2, seeds=(2, 2)),
]
BOTH = [
    *BASELINES,
    FakeRun("a-3", 5.0, "a", ["a"], (3, 3), CLIP),
    FakeRun("b-4", 4.9, "b", ["b"], (4, 4), {"model.dropout": [0.1, 0.0]}),
    FakeRun("both-5", 4.9, "both", ["a", "b"], (5, 5), {**CLIP, "model.dropout": [0.1, 0.0]}),
]

CONTINUED = replace(continued("baseline-1", 4.6), seeds=(1, 1))


def table(
    folder: Path,
    kind: type[Row],
    name: str,
    runs: Sequence[FakeRun],
    noise: dict[str, list[list[int]]] | None = None,
) -> list[Row]:
    params = write_study(folder, runs, steps=40, models=[], noise=noise or {})
    write_tables(params, folder)
    return read_rows(folder / "tables" / f"{name}.csv", kind)


def test_a_run_is_described(tmp_path: Path) -> None:
    rows = table(tmp_path, RunRow, "runs", BOTH)
    row = rows[2]
    assert [r.run for r in rows] == [r.name for r in BOTH]
    assert (row.intervention, row.interventions, row.changes) == (
        "a",
        ("a",),
        ("optimizer.clip_norm=0.5",),
    )
    assert (row.init_seed, row.train_seed, row.repeat_of) == (3, 3, None)
    assert row.value == 5.0
    assert (row.steps, row.tokens) == (40, 40 * 16 * 64)
    assert row.clipped_steps is not None
    assert row.clipped_steps > 0
    assert rows[0].clipped_steps == rows[0].skipped_steps == 0
    assert (row.weights_sha256, row.recipe_sha256) == (sha("weights of a-3"), sha("recipe of a-3"))


def test_improvement_counts_from_the_study_s_baseline_run(tmp_path: Path) -> None:
    rows = table(tmp_path, RunRow, "runs", BOTH)
    assert [row.improvement for row in rows] == pytest.approx([0.0, -0.2, 0.0, 0.1, 0.1])


def test_residuals_are_what_the_model_leaves(tmp_path: Path) -> None:
    rows = table(tmp_path, RunRow, "runs", BOTH)
    assert [row.residual for row in rows] == pytest.approx([-0.1, 0.1, 0, 0, 0], abs=1e-12)


def test_skipped_steps_are_counted(tmp_path: Path) -> None:
    runs = [*BASELINES, FakeRun("a-3", 5.0, "a", ["a"], (3, 3), CLIP, skipped=(0, 7))]
    assert table(tmp_path, RunRow, "runs", runs)[2].skipped_steps == 2


def test_a_verdict_by_hand(tmp_path: Path) -> None:
    (row,) = table(tmp_path, VerdictRow, "verdicts", BOTH[:3])
    # Baselines 5.0 and 5.2: mean 5.1, one degree of freedom, variance 0.02. The effect's variance
    # is that of one run and of a mean of two.
    half = float(stats.t.ppf(0.975, 1)) * math.sqrt(0.02 * (1 + 1 / 2))
    assert row.effect == pytest.approx(-0.1)
    assert (row.low, row.high) == pytest.approx((-0.1 - half, -0.1 + half), rel=1e-3)
    assert row.residual_sd == pytest.approx(math.sqrt(0.02))
    assert (row.verdict, row.runs, row.degrees_of_freedom) == ("within noise", 1, 1)


def test_a_large_effect_is_called(tmp_path: Path) -> None:
    runs = [*BASELINES, FakeRun("worse-3", 9.0, "worse", ["worse"], (3, 3), CLIP)]
    assert table(tmp_path, VerdictRow, "verdicts", runs)[0].verdict == "hurts"


def test_repeats_do_not_count_twice(tmp_path: Path) -> None:
    again = FakeRun("baseline-1-again", 5.0, seeds=(1, 1), repeat_of="baseline-1")
    (alone,) = table(tmp_path / "alone", VerdictRow, "verdicts", BOTH[:3])
    (with_repeat,) = table(tmp_path / "with", VerdictRow, "verdicts", [*BOTH[:3], again])
    assert with_repeat == alone


@pytest.mark.parametrize("loss", [None, math.nan, math.inf])
def test_a_run_without_a_finite_loss_is_listed(tmp_path: Path, loss: float | None) -> None:
    runs = [*BOTH[:3], FakeRun("a-6", loss, "a", ["a"], (6, 6), CLIP)]
    (row,) = table(tmp_path, VerdictRow, "verdicts", runs)
    assert (row.runs, row.runs_without_value) == (1, ("a-6",))
    assert row.effect == pytest.approx(-0.1)


def test_an_intervention_that_only_diverged_is_listed(tmp_path: Path) -> None:
    runs = [*BOTH[:3], FakeRun("wild-6", math.nan, "wild", ["wild"], (6, 6), CLIP)]
    rows = table(tmp_path, VerdictRow, "verdicts", runs)
    assert [row.intervention for row in rows] == ["a", "wild"]
    assert (rows[1].verdict, rows[1].effect, rows[1].runs_without_value) == (
        "not enough runs",
        None,
        ("wild-6",),
    )


def test_without_a_finite_baseline_nothing_is_said(tmp_path: Path) -> None:
    runs = [FakeRun("baseline-1", math.nan, seeds=(1, 1)), BOTH[2]]
    noise = {"init_and_train": [[1, 1]]}
    (row,) = table(tmp_path, VerdictRow, "verdicts", runs, noise)
    assert (row.verdict, row.effect, row.runs_without_value) == ("not enough runs", None, ())
    (component,) = read_rows(tmp_path / "tables" / "noise.csv", NoiseRow)
    assert (component.n, component.missing_seeds) == (0, ("1/1",))


def test_noise_by_hand(tmp_path: Path) -> None:
    runs = [
        FakeRun(f"baseline-{s}", loss, seeds=(s, s)) for s, loss in ((1, 2.0), (2, 1.0), (3, 3.0))
    ]
    noise = {"init_and_train": [[1, 1], [2, 2], [3, 3], [9, 9]], "init_only": [[1, 1]]}
    wide, narrow = table(tmp_path, NoiseRow, "noise", runs, noise)
    assert (wide.n, wide.mean, wide.sd, wide.minimum, wide.maximum) == (3, 2.0, 1.0, 1.0, 3.0)
    # (n - 1) s^2 / sigma^2 is chi-square with two degrees of freedom, whose quantiles are
    # -2 log(1 - p): no table needed.
    assert wide.sd_low == pytest.approx(math.sqrt(2 / (-2 * math.log(0.025))))
    assert wide.sd_high == pytest.approx(math.sqrt(2 / (-2 * math.log(0.975))))
    assert wide.seeds == ("1/1", "2/2", "3/3")
    assert wide.missing_seeds == ("9/9",)
    assert (narrow.n, narrow.sd, narrow.sd_low) == (1, None, None)


def test_the_order_of_the_data_is_a_source_of_its_own(tmp_path: Path) -> None:
    data = {"data.order": ["sequential", "shuffled"]}
    seeds = (1, 1, 1), (1, 7, 1), (1, 8, 1), (2, 2, 2)
    runs = [FakeRun(f"baseline-{k}", 2.0 + k, seeds=one) for k, one in enumerate(seeds)]
    runs += [FakeRun(f"b-{k}", 2.5, "b", ["b"], seeds[k], CLIP) for k in (0, 1)]
    runs.append(FakeRun("ordered", 2.5, "ordered", ["ordered"], (2, 2), data))
    runs.append(FakeRun("c-0", 2.5, "c", ["c"], (1, 9, 1), {"model.tied": [False, True]}))
    noise = {"data_only": [[1, 1, 1], [1, 7, 1], [1, 8, 1]], "init_only": [[2, 7, 2]]}
    found, other = table(tmp_path, NoiseRow, "noise", runs, noise)
    assert found.component == "data_only"
    assert found.runs == ("baseline-0", "baseline-1", "baseline-2")
    assert (found.mean, found.sd) == (3.0, 1.0)
    assert found.seeds == ("1/1", "1/7/1", "1/8/1")
    assert other.missing_seeds == ("2/7/2",)
    rows = {row.run: row for row in read_rows(tmp_path / "tables" / "runs.csv", RunRow)}
    assert (rows["baseline-1"].data_seed, rows["baseline-1"].seeds) == (7, (1, 7, 1))
    assert (rows["ordered"].data_seed, rows["ordered"].seeds) == (None, (2, 2, 2))


def test_a_twin_is_no_noise_run(tmp_path: Path) -> None:
    twin = FakeRun("twin-1", 4.0, seeds=(1, 1), difference={"batch.microbatch": [4, 8]})
    runs, noise = [*BASELINES, twin], {"init_and_train": [[1, 1]]}
    seeds, machine = table(tmp_path, NoiseRow, "noise", runs, noise)
    assert seeds.runs == ("baseline-1",)
    assert machine.component == "machine"


def test_twins_and_repeats_that_differ_are_the_noise_of_machines(tmp_path: Path) -> None:
    micro = {"batch.microbatch": [4, 8]}
    runs = [
        *BASELINES,
        FakeRun("twin-1", 5.2, seeds=(1, 1), difference=micro),
        FakeRun("a-3", 4.0, "a", ["a"], (3, 3), CLIP),
        FakeRun("a-3-elsewhere", 4.4, "a", ["a"], (3, 3), {**CLIP, **micro}),
        FakeRun("a-4", 4.0, "a", ["a"], (4, 4), CLIP),
        FakeRun("again", 5.0, seeds=(1, 1), repeat_of="baseline-1"),
    ]
    (row,) = table(tmp_path, NoiseRow, "noise", runs)
    assert row.component == "machine"
    # The repeat has its original's bits, so it is not a third result.
    assert row.runs == ("baseline-1", "twin-1", "a-3", "a-3-elsewhere")
    assert (row.n, row.degrees_of_freedom) == (4, 2)
    assert row.sd == pytest.approx(math.sqrt((0.2**2 / 2 + 0.4**2 / 2) / 2))
    # With other bits it is one, and only the machine can have caused the difference.
    params = write_study(tmp_path, runs, steps=40, models=[], noise={})
    weights = tmp_path / "runs" / "again" / "model.json"
    write_text(weights, weights.read_text().replace(sha("weights of baseline-1"), sha("other")))
    write_tables(params, tmp_path)
    (row,) = read_rows(tmp_path / "tables" / "noise.csv", NoiseRow)
    assert row.runs == ("baseline-1", "twin-1", "again", "a-3", "a-3-elsewhere")


def test_a_continued_baseline_is_a_change_of_its_own(tmp_path: Path) -> None:
    """It has no interventions and the seeds of a baseline run, but is not a baseline run."""
    noise = {"init_and_train": [[1, 1], [2, 2]]}
    rows = table(tmp_path, VerdictRow, "verdicts", [*BASELINES, CONTINUED], noise)
    assert [row.intervention for row in rows] == ["continued"]
    assert rows[0].runs == 1
    # Between the differences from the baseline's mean and from the run on its own seeds.
    assert rows[0].effect is not None
    assert 4.6 - 5.1 < rows[0].effect < 4.6 - 5.0
    (component,) = read_rows(tmp_path / "tables" / "noise.csv", NoiseRow)
    assert component.runs == ("baseline-1", "baseline-2")
    assert component.mean == pytest.approx(5.1)
    run = read_rows(tmp_path / "tables" / "runs.csv", RunRow)[-1]
    assert (run.continues, run.interventions) == ("baseline-1", ())
    assert "continues=baseline-1" in run.changes


def test_a_continued_stack_is_not_compared_with_its_parts(tmp_path: Path) -> None:
    more = replace(CONTINUED, name="both-more", intervention="both+continued", parts=["a", "b"])
    assert [row.stack for row in table(tmp_path, StackRow, "stacks", [*BOTH, more])] == ["both"]
    (row,) = read_rows(tmp_path / "tables" / "stacks.csv", StackRow)
    assert row.predicted == pytest.approx(-0.3)


def test_a_stack_by_hand(tmp_path: Path) -> None:
    (row,) = table(tmp_path, StackRow, "stacks", BOTH)
    assert (row.stack, row.parts, row.missing_parts) == ("both", ("a", "b"), ())
    # a: 5.0 - 5.1, b: 4.9 - 5.1, both: 4.9 - 5.1.
    assert (row.predicted, row.got) == pytest.approx((-0.3, -0.2))
    assert row.difference == pytest.approx(0.1)
    # Variance of the difference: three runs, and once the baseline's mean of two.
    half = float(stats.t.ppf(0.975, 1)) * math.sqrt(0.02 * (3 + 1 / 2))
    assert (row.low, row.high) == pytest.approx((0.1 - half, 0.1 + half), rel=1e-3)


def test_a_stack_whose_part_never_ran_alone_predicts_nothing(tmp_path: Path) -> None:
    (row,) = table(tmp_path, StackRow, "stacks", [*BASELINES, BOTH[2], BOTH[4]])
    assert (row.predicted, row.difference, row.missing_parts) == (None, None, ("b",))
    assert row.got == pytest.approx(-0.2)


def test_contamination_by_hand(tmp_path: Path) -> None:
    (row,) = table(tmp_path, ContaminationRow, "contamination", BOTH)
    assert row.runs == tuple(run.name for run in BOTH)
    assert (row.corpus, row.split, row.trained_on) == ("pocket", "test", ("pocket:0-409601",))
    shares = row.document_share, row.token_share, row.span_share
    assert shares == (2 / 500, 112 / 80000, 3 / 79969)
    file = tmp_path / "contamination" / f"{WINDOW}.json"
    found = json.loads(file.read_text()) | {"documents": 0, "documents_found": 0}
    write_json(file, found)
    (row,) = contamination_rows(tmp_path, {WINDOW: ["a"]})
    assert row.document_share is None


def test_the_order_in_which_windows_are_named_changes_no_table(tmp_path: Path) -> None:
    table(tmp_path, ContaminationRow, "contamination", BOTH)
    other = tmp_path / "contamination" / "another.json"
    found = json.loads((tmp_path / "contamination" / f"{WINDOW}.json").read_text())
    write_json(other, {**found, "first_token": 7})
    windows = {WINDOW: ["a"], "another": ["b"]}
    rows = contamination_rows(tmp_path, windows)
    assert contamination_rows(tmp_path, dict(reversed(windows.items()))) == rows
    assert {row.runs for row in rows} == {("a",), ("b",)}


def test_equal_files_give_equal_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        params = write_study(tmp_path / folder, steps=40)
        write_tables(params, tmp_path / folder)
    names = ["runs", "contamination", "verdicts", "noise", "stacks", "finetuning", "epochs"]
    one, two = (
        [(tmp_path / folder / "tables" / f"{name}.csv").read_bytes() for name in names]
        for folder in ("one", "two")
    )
    assert one == two
    assert all(text.endswith(b"\n") and b"\r" not in text for text in one)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    params = write_study(tmp_path, BOTH, steps=40, models=[])
    (tmp_path / "runs" / "a-3" / "trace.parquet").unlink()
    with pytest.raises(UserError, match=r"a-3/trace\.parquet is not there yet"):
        write_tables(params, tmp_path)


def test_a_run_made_by_another_recipe_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = write_study(tmp_path, BOTH, steps=40, models=[])
    made = [sha(f"recipe of {run.repeat_of or run.name}")[:8] for run in BOTH]
    write_tables(params.model_copy(update={"recipes": made}), tmp_path)
    other = params.model_copy(update={"recipes": [*made[:2], "0123abcd", *made[3:]]})
    with pytest.raises(
        UserError, match=r"a-3: made with another recipe.*noiseband run .*a-3/model"
    ):
        write_tables(other, tmp_path)
    monkeypatch.setenv(CONFIGFILES, "--config mine.yaml")
    with pytest.raises(UserError, match=r"a-3/model\.safetensors --config mine\.yaml -- -f$"):
        write_tables(other, tmp_path)


def test_a_study_is_judged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts and residuals come from one computation, which takes most of the time."""
    judged: list[int] = []

    def counting(runs: pd.DataFrame, *options: Any) -> Assessment:
        judged.append(len(runs))
        return assess(runs, *options)

    monkeypatch.setattr("noiseband.analysis.inference.assess", counting)
    rows = table(tmp_path, RunRow, "runs", BOTH)
    assert judged == [len(BOTH)]
    assert any(row.residual for row in rows)
