"""Judge scores: missing is not zero, and equal scores share a rank."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noiseband.analysis.agreement import agreements
from noiseband.analysis.scores import judge_rounds, marks, score_table, split_model
from noiseband.analysis.tables import write_tables
from noiseband.analysis.tuning_rows import EpochRow, FinetuningRow
from noiseband.io.files import write_jsonl
from noiseband.io.tables import read_rows
from noiseband.report.views.agreement import agreement_sentences
from noiseband.stats.ranks import places
from tests.fake_runs import BASELINES
from tests.small_study import write_study


def question(round: int, number: int, **scores: float | None) -> dict[str, Any]:
    given = {f"{model}/42": {"score": score, "reason": ""} for model, score in scores.items()}
    return {"round": round, "question": number, "order": list(given), "scores": given}


def test_a_missing_score_is_not_zero() -> None:
    found = marks([question(1, 0, a=80, b=10), question(1, 1, a=None, b=20), question(2, 0, a=40)])
    assert found["a/42"].mean == 60.0
    assert (found["a/42"].missing, found["a/42"].questions) == (1, {0})
    assert found["b/42"].mean == 15.0


def test_a_model_without_any_score_has_no_mean() -> None:
    assert marks([question(1, 0, a=None)])["a/42"].mean is None


def test_ties_share_the_best_place() -> None:
    assert places([10.0, 30.0, 20.0, 20.0, None]) == ["4", "1", "2=", "2=", ""]


def test_rounding_does_not_break_a_tie() -> None:
    assert places([0.1 + 0.2, 0.3]) == ["1=", "1="]


def test_rounds_come_in_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_jsonl(tmp_path / "judge" / "p" / f"round-{number}.jsonl", [question(number, 0, a=1)])
    assert [line["round"] for line in judge_rounds(tmp_path, "p")] == [1, 2, 10]


def test_a_model_s_name_may_hold_slashes() -> None:
    assert split_model("odd/run/alpaca/42") == ("odd/run", "alpaca", 42)


def test_the_table_by_hand(tmp_path: Path) -> None:
    models = ["baseline-42/one/42", "baseline-22/one/42", "baseline-42/two/7"]
    params = write_study(tmp_path, BASELINES[:2], steps=20, models=models)
    write_jsonl(
        tmp_path / "judge" / "one" / "round-1.jsonl",
        [
            question(1, 0, **{"baseline-42": 10.0, "baseline-22": None}),
            question(1, 1, **{"baseline-42": 30.0, "baseline-22": 25.0}),
        ],
    )
    write_tables(params, tmp_path)
    first, second, third = read_rows(tmp_path / "tables" / "finetuning.csv", FinetuningRow)
    assert (first.score, first.questions, first.missing, first.rank) == (20.0, 2, 0, "2")
    assert (second.score, second.questions, second.missing, second.rank) == (25.0, 1, 1, "1")
    assert (third.protocol, third.seed, third.rank) == ("two", 7, "1")
    assert first.test_loss == BASELINES[0].test_loss
    epochs = read_rows(tmp_path / "tables" / "epochs.csv", EpochRow)
    best = [row for row in epochs if row.best]
    assert [(row.run, row.protocol, row.epoch) for row in best] == [
        (row.run, row.protocol, row.best_epoch) for row in (first, second, third)
    ]
    assert first.validation_loss == best[0].validation_loss
    mine = [row for row in epochs if (row.run, row.protocol) == ("baseline-42", "one")]
    assert [row.epoch for row in mine] == list(range(first.epochs + 1))
    assert mine[0].train_loss is None


def test_a_run_is_ranked_over_all_its_fine_tuning_seeds(tmp_path: Path) -> None:
    models = [f"{run}/one/{seed}" for run in ("baseline-42", "baseline-22") for seed in (1, 2, 3)]
    params = write_study(tmp_path, BASELINES[:2], steps=20, models=models)
    # One seed of the first run beats every seed of the second, which is better on average.
    of_seed = {"baseline-42/1": 60.0, "baseline-42/2": 10.0, "baseline-42/3": 10.0}
    given = of_seed | {f"baseline-22/{seed}": 40.0 for seed in (1, 2, 3)}
    scores = {model: {"score": score, "reason": ""} for model, score in given.items()}
    line = {"round": 1, "order": list(scores), "scores": scores}
    lines = [{**line, "question": question} for question in range(4)]
    write_jsonl(tmp_path / "judge" / "one" / "round-1.jsonl", lines)
    write_tables(params, tmp_path)
    rows = read_rows(tmp_path / "tables" / "finetuning.csv", FinetuningRow)
    assert [row.rank for row in rows] == ["2"] * 3 + ["1"] * 3
    # Questions and rounds agree; the interval is as wide as it is for the seeds alone.
    assert {(row.rank_low, row.rank_high) for row in rows} == {(1, 2)}


def test_scores_by_model_round_and_question(tmp_path: Path) -> None:
    folder = tmp_path / "judge" / "p"
    write_jsonl(folder / "round-1.jsonl", [question(1, 7, a=10, b=None), question(1, 3, a=20, b=5)])
    write_jsonl(folder / "round-2.jsonl", [question(2, 3, a=30)])
    table = score_table(tmp_path, "p", ["a/42", "b/42"])
    assert table is not None
    assert np.nan_to_num(table, nan=-1).tolist() == [
        [[10, 20], [-1, 30]],
        [[-1, 5], [-1, -1]],
    ]
    assert score_table(tmp_path, "none", ["a/42"]) is None


def told(results: Path, rows: list[FinetuningRow]) -> list[str]:
    return agreement_sentences(agreements(results, rows, 0.05), 0.05)


def test_agreement_of_rounds_and_with_the_loss_is_told(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    losses = [3.0, 3.1, 3.2, 3.3]
    for number, shift in ((1, 0), (2, 1)):
        lines = [
            question(number, q, **{n: 40 - 5 * i + shift for i, n in enumerate(names)})
            for q in (0, 1)
        ]
        write_jsonl(tmp_path / "judge" / "p" / f"round-{number}.jsonl", lines)
    rows = [
        FinetuningRow(n, "p", 42, loss, 1, 1, 1.0, 40.5 - 5 * i, 2, 0, None, None, None)
        for i, (n, loss) in enumerate(zip(names, losses, strict=True))
    ]
    rounds, correlation = told(tmp_path, rows)
    assert "2 judging rounds agree with Kendall's W = 1.00" in rounds
    assert "an SD of 0.71 between rounds" in rounds
    assert "over 4 runs test loss and score correlate with r = −1.00 (95% interval" in correlation
    # More fine-tuned models of the same runs are no new evidence about the runs.
    again = [replace(row, seed=7, score=row.score) for row in rows]
    *_, same = told(tmp_path, [*rows, *again])
    seeds = "4 runs, each with the mean of its fine-tuning seeds,"
    assert same == correlation.replace("4 runs", seeds)
    (tmp_path / "judge" / "p" / "round-2.jsonl").unlink()
    assert "judged in one round" in told(tmp_path, rows)[0]
    assert told(tmp_path, rows[:1]) == []


def test_a_round_without_a_score_says_nothing_of_agreement(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    for number, scores in ((1, {"a": 1.0, "b": 2.0}), (2, {"a": None, "b": None})):
        lines = [question(number, 0, **scores)]
        write_jsonl(tmp_path / "judge" / "p" / f"round-{number}.jsonl", lines)
    rows = [
        FinetuningRow(n, "p", 42, None, 1, 1, 1.0, 1.5, 1, 1, None, None, None) for n in ("a", "b")
    ]
    assert told(tmp_path, rows) == []
    assert list(recwarn) == []
