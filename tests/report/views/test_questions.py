"""The questions and answers that the page shows."""

from __future__ import annotations

from pathlib import Path

from noiseband.analysis.tuning_rows import FinetuningRow
from noiseband.io.files import write_jsonl
from noiseband.io.tables import read_rows
from noiseband.report.views.questions import SHOWN, questions
from tests.fake_runs import BASELINES, pocket_runs
from tests.pages import Made
from tests.small_study import write_study


def test_the_most_telling_questions_are_chosen(tmp_path: Path) -> None:
    models = [model("baseline-42"), model("baseline-22")]
    params = write_study(
        tmp_path, BASELINES[:2], steps=2, models=[f"{m.run}/alpaca/42" for m in models]
    )
    assert len(params.models) == 2
    scores = {0: (60.0, 62.0), 1: (10.0, 90.0), 2: (None, None), 3: (5.0, 6.0)}
    write_jsonl(
        tmp_path / "judge" / "alpaca" / "round-1.jsonl",
        (
            {
                "round": 1,
                "question": number,
                "instruction": f"question {number}",
                "input": "",
                "reference": "",
                "scores": {
                    f"{one.run}/42": {"score": score, "reason": ""}
                    for one, score in zip(models, given, strict=True)
                },
            }
            for number, given in scores.items()
        ),
    )
    chosen = questions(tmp_path, "alpaca", models)
    assert [(question.why, question.instruction) for question in chosen] == [
        ("Where the models differ most", "question 1"),
        ("Answered best", "question 0"),
        ("Answered worst", "question 3"),
    ]
    assert [answer.run for answer in chosen[0].answers] == ["baseline-22", "baseline-42"]


def model(run: str) -> FinetuningRow:
    return FinetuningRow(run, "alpaca", 42, 5.0, 1, 1, 1.0, None, 0, 0, None, None, None)


def test_answers_shown_reach_from_the_best_to_the_worst(made: Made) -> None:
    models = read_rows(made.results / "tables" / "finetuning.csv", FinetuningRow)
    chosen = questions(made.results, "alpaca", models)
    assert len(chosen) == 3
    for question in chosen:
        scores = [answer.score or 0.0 for answer in question.answers]
        everyone = [*question.answers, *question.folded]
        assert len(scores) == SHOWN
        assert scores == sorted(scores, reverse=True)
        assert len(everyone) == len(pocket_runs()) - 1
        assert max(answer.score or 0.0 for answer in everyone) == scores[0]
        assert min(answer.score or 0.0 for answer in everyone) == scores[-1]
