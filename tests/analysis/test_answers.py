"""The table of all judged answers: complete, exact and byte-equal each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from noiseband.analysis.answers import SCHEMA, write_answers
from noiseband.errors import UserError
from noiseband.io.files import read_jsonl, write_jsonl
from tests.fake_runs import BASELINES
from tests.report import hostile_text as hostile
from tests.small_study import QUESTIONS, write_study

MODELS = ["baseline-42/one/42", "baseline-22/one/42", "baseline-42/one/7", "baseline-42/two/42"]


def written(results: Path, models: list[str] = MODELS) -> list[dict[str, Any]]:
    file = results / "tables" / "answers.parquet"
    write_answers(file, results, models)
    table = pq.read_table(file)
    assert table.schema == SCHEMA
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def judge_again(results: Path) -> None:
    """A second round of protocol `one`, in another order, with a missing score."""
    folder = results / "judge" / "one"
    lines = read_jsonl(folder / "round-1.jsonl")
    for line in lines:
        line["round"] = 2
        line["order"] = line["order"][::-1]
        line["scores"]["baseline-22/42"] = {"score": None, "reason": "no JSON in the reply"}
    write_jsonl(folder / "round-2.jsonl", lines)


def test_a_row_for_each_question_model_protocol_and_round(tmp_path: Path) -> None:
    write_study(tmp_path, BASELINES[:2], steps=2, models=MODELS, noise={})
    judge_again(tmp_path)
    rows = written(tmp_path)
    keys = [
        (row["protocol"], row["round"], row["question"], row["run"], row["seed"]) for row in rows
    ]
    models = [("baseline-42", 42), ("baseline-22", 42), ("baseline-42", 7)]
    assert keys == [
        *[("one", r, q, run, seed) for r in (1, 2) for q in range(4) for run, seed in models],
        *[("two", 1, q, "baseline-42", 42) for q in range(4)],
    ]
    for row in rows:
        folder = tmp_path / "runs" / row["run"] / "ift" / row["protocol"] / str(row["seed"])
        assert (row["instruction"], row["input"], row["reference"]) == QUESTIONS[row["question"]]
        given = read_jsonl(folder / "answers.jsonl")[row["question"]]
        assert [row[key] for key in ("answer", "tokens", "stop")] == [given["answer"], 12, "end"]
        line = read_jsonl(tmp_path / "judge" / row["protocol"] / f"round-{row['round']}.jsonl")
        judged = line[row["question"]]
        model = f"{row['run']}/{row['seed']}"
        assert judged["order"][row["place"]] == model
        assert judged["scores"][model] == {"score": row["score"], "reason": row["reason"]}
    missing = [row for row in rows if row["score"] is None]
    assert [(row["run"], row["round"]) for row in missing] == [("baseline-22", 2)] * 4
    assert missing[0]["reason"] == "no JSON in the reply"


def test_equal_files_give_equal_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_study(tmp_path / folder, BASELINES[:2], steps=2, models=MODELS, noise={})
        written(tmp_path / folder)
    one, two = ((tmp_path / f / "tables/answers.parquet").read_bytes() for f in ("one", "two"))
    assert one == two


def test_what_models_write_comes_back_as_it_was(tmp_path: Path) -> None:
    answers = [*hostile.ALL, "=1+1", "@SUM(A1)", "-2\n+3\t", "", "naïve 👩‍🚀 שלום", '"', "\u2028"]
    models = [f"baseline-42/one/{seed}" for seed in range(len(answers))]
    write_study(tmp_path, BASELINES[:1], steps=2, models=models, answers=answers, noise={})
    rows = written(tmp_path, models)
    found = {row["answer"] for row in rows}
    # UTF-8 cannot encode half of a surrogate pair; everything else is kept.
    assert found == {answer.replace("\ud800", "\ufffd") for answer in answers}


def test_nothing_judged_is_an_empty_table(tmp_path: Path) -> None:
    assert written(tmp_path, []) == []
    write_study(tmp_path, BASELINES[:2], steps=2, models=MODELS, noise={})
    (tmp_path / "judge" / "two" / "round-1.jsonl").unlink()
    assert {row["protocol"] for row in written(tmp_path)} == {"one"}


def test_a_question_that_nobody_answered_is_an_error(tmp_path: Path) -> None:
    write_study(tmp_path, BASELINES[:2], steps=2, models=MODELS, noise={})
    file = tmp_path / "runs/baseline-42/ift/one/7/answers.jsonl"
    write_jsonl(file, read_jsonl(file)[:3])
    with pytest.raises(UserError, match=r"judged question 3, but baseline-42/7 has 3 answers"):
        written(tmp_path)
