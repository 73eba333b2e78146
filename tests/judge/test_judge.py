"""A round judges all answers to a question in one call, shuffled, and assigns scores correctly."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.io.files import read_jsonl, write_jsonl
from noiseband.judge import console
from noiseband.judge.interface import Question, Reply, Score
from noiseband.judge.judge import judge_files, judge_round, read_answers, shuffled
from noiseband.study.judges import ChrfJudge

MODELS = ["baseline-42/1", "baseline-42/2", "tied-42/1"]


def answered(model: str, questions: int = 4) -> list[dict[str, Any]]:
    return [
        {
            "instruction": f"Question {i}?",
            "input": "",
            "reference": f"Answer {i}.",
            "answer": f"{model} says {i}",
            "tokens": 3,
            "stop": "end of text",
        }
        for i in range(questions)
    ]


ANSWERS = {model: answered(model) for model in MODELS}


class Listener:
    """Records its calls; scores by length, and gives `tied` no score."""

    at_once = 1
    status = ""

    def __init__(self) -> None:
        self.heard: list[tuple[Question, list[str]]] = []

    def judge(self, question: Question, answers: Sequence[str]) -> Reply:
        self.heard.append((question, list(answers)))
        scores = [
            Score(None, "no reply") if "tied" in answer else Score(float(answer[12]), answer)
            for answer in answers
        ]
        return Reply(scores, raw=f"call {len(self.heard)}")

    def halt(self) -> None: ...


def test_one_call_for_each_question_with_all_answers() -> None:
    judge = Listener()
    rows = judge_round(ANSWERS, judge, round=1)
    assert len(rows) == len(judge.heard) == 4
    for i, (row, (question, answers)) in enumerate(zip(rows, judge.heard, strict=True)):
        assert question == Question(f"Question {i}?", "", f"Answer {i}.")
        assert answers == [f"{model} says {i}" for model in row["order"]]
        assert sorted(row["order"]) == sorted(MODELS)
        assert (row["round"], row["question"], row["raw"]) == (1, i, f"call {i + 1}")


def test_scores_stand_under_the_model_that_earned_them() -> None:
    for i, row in enumerate(judge_round(ANSWERS, Listener(), round=1)):
        assert list(row["scores"]) == MODELS
        assert row["scores"]["baseline-42/1"] == {"score": 1.0, "reason": f"baseline-42/1 says {i}"}
        assert row["scores"]["baseline-42/2"] == {"score": 2.0, "reason": f"baseline-42/2 says {i}"}


def test_a_missing_score_is_null_and_not_zero() -> None:
    for row in judge_round(ANSWERS, Listener(), round=1):
        assert row["scores"]["tied-42/1"] == {"score": None, "reason": "no reply"}


def test_the_order_is_a_function_of_round_and_question() -> None:
    assert judge_round(ANSWERS, Listener(), 1) == judge_round(ANSWERS, Listener(), 1)
    orders = [tuple(shuffled(MODELS, round, q)) for round in (1, 2) for q in range(60)]
    assert orders[:60] != orders[60:]
    counts = Counter(orders)
    assert len(counts) == 6  # every order occurs, and none much more often than the others
    assert max(counts.values()) < 40
    assert shuffled(MODELS[::-1], 1, 0) == shuffled(MODELS, 1, 0)


def test_one_model_more_leaves_the_others_in_order() -> None:
    for question in range(20):
        more = shuffled([*MODELS, "new-42/1"], 1, question)
        assert [m for m in more if m != "new-42/1"] == shuffled(MODELS, 1, question)


def files(folder: Path, answers: dict[str, list[dict[str, Any]]]) -> list[Path]:
    paths = []
    for model, rows in answers.items():
        run, seed = model.split("/")
        paths.append(folder / "runs" / run / "ift" / "early-stop" / seed / "answers.jsonl")
        write_jsonl(paths[-1], rows)
    return paths


def test_files_of_all_models_make_a_round(tmp_path: Path) -> None:
    out = tmp_path / "judge" / "early-stop" / "round-2.jsonl"
    perfect = {**ANSWERS, "best-42/1": [{**r, "answer": r["reference"]} for r in answered("")]}
    paths = files(tmp_path, perfect)
    judge_files(ChrfJudge(), 2, paths, None, out)
    rows = read_jsonl(out)
    assert [row["round"] for row in rows] == [2] * 4
    for row in rows:
        assert list(row["scores"]) == list(perfect)
        assert row["scores"]["best-42/1"]["score"] == pytest.approx(100)
        assert row["scores"]["tied-42/1"]["score"] < 50
    before = out.read_bytes()
    judge_files(ChrfJudge(), 2, paths, None, out)
    assert out.read_bytes() == before


@pytest.mark.parametrize("key", ["instruction", "input", "reference"])
def test_other_questions_are_an_error(tmp_path: Path, key: str) -> None:
    other = answered("tied-42/1")
    other[2][key] = "Something else"
    first, odd = files(tmp_path, {"baseline-42/1": answered("b"), "tied-42/1": other})
    with pytest.raises(UserError, match=rf"{odd}: question 2: {key} is 'Something else'"):
        read_answers({"baseline-42/1": first, "tied-42/1": odd})


def test_fewer_questions_are_an_error(tmp_path: Path) -> None:
    first, odd = files(tmp_path, {"a-1/1": answered("a"), "b-1/1": answered("b", questions=3)})
    with pytest.raises(
        UserError, match=r"answers 3 questions, but a-1/1 answers 4; answer .* again"
    ):
        read_answers({"a-1/1": first, "b-1/1": odd})


def test_files_elsewhere_or_twice_are_an_error(tmp_path: Path) -> None:
    (path,) = files(tmp_path, {"a-1/1": answered("a")})
    with pytest.raises(UserError, match="model a-1/1 is judged already"):
        judge_files(ChrfJudge(), 1, [path, path], None, tmp_path / "round-1.jsonl")
    with pytest.raises(UserError, match="not at <run>/ift/"):
        judge_files(ChrfJudge(), 1, [tmp_path / "answers.jsonl"], None, tmp_path / "x")


class Slow(Listener):
    """Judges several questions at once, the later ones faster."""

    at_once = 4

    def judge(self, question: Question, answers: Sequence[str]) -> Reply:
        time.sleep(0.02 * (4 - int(question.instruction[9])))
        return super().judge(question, answers)


def test_rows_are_in_order_however_questions_end() -> None:
    judge = Slow()
    rows = judge_round(ANSWERS, judge, round=1)
    assert [question.instruction for question, _ in judge.heard] != [r["instruction"] for r in rows]
    assert [row["question"] for row in rows] == [0, 1, 2, 3]
    alone = judge_round(ANSWERS, Listener(), round=1)
    assert [row["scores"] for row in rows] == [row["scores"] for row in alone]


class Failing(Listener):
    """Fails at the second question."""

    at_once = 2
    halted = False

    def judge(self, question: Question, answers: Sequence[str]) -> Reply:
        if question.instruction == "Question 1?":
            raise UserError("no more")
        time.sleep(0.02)
        return super().judge(question, answers)

    def halt(self) -> None:
        self.halted = True


def test_a_judge_that_cannot_go_on_ends_the_round() -> None:
    judge = Failing()
    with pytest.raises(UserError, match="no more"):
        judge_round({model: answered(model, 50) for model in MODELS}, judge, round=1)
    assert judge.halted
    assert len(judge.heard) < 25


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PAUSE", 0.0)
    for stream in (Terminal(), io.StringIO()):
        shown = console.Console("round 2", stream)
        for done in range(1, 12):
            shown(done, 110, "12 requests  1 retries")
        lines = stream.getvalue().splitlines()
        assert len(lines) == (11 if stream.isatty() else 0)
        if lines:
            assert lines[-1].startswith("round 2  question  11/110  12 requests  1 retries  ")
            assert lines[-1].endswith(" s left")
