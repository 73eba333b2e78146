"""Judging rounds over the network with missing scores, from replies to tables and page."""

from __future__ import annotations

import gc
import re

import pytest

from noiseband.analysis.tuning_rows import FinetuningRow
from noiseband.io.tables import read_rows
from noiseband.judge.judge import judge_files
from noiseband.repro.manifest import write_manifest
from noiseband.study.judges import OpenAIJudge
from tests.fake_runs import BASELINES
from tests.judge.server import Fault, Handler, good, running, text
from tests.pages import Made, make
from tests.small_study import QUESTIONS, write_study

MODELS = ["baseline-42/alpaca/42", "baseline-22/alpaca/42"]
ROUNDS = 3


def but(lost: str) -> Fault:
    """A judge without a usable reply to one question."""

    def fault(handler: Handler, body: dict[str, object]) -> None:
        usable = lost not in str(body["messages"])
        (good if usable else text("I cannot."))(handler, body)

    return fault


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Made:
    results = tmp_path_factory.mktemp("judged") / "results"
    answers = [f"It is {n}." for n in (10, 20, 30, 40, 50)]
    params = write_study(results, BASELINES[:2], steps=20, models=MODELS, answers=answers)
    files = [results / "runs" / m.split("/")[0] / "ift/alpaca/42/answers.jsonl" for m in MODELS]
    with running() as endpoint:
        given = {"kind": "openai", "base_url": endpoint.base_url, "model": "m", "attempts": 1}
        config = OpenAIJudge.model_validate({**given, "api_key_env": None})
        rounds = [results / "judge/alpaca" / f"round-{k}.jsonl" for k in range(1, ROUNDS + 1)]
        for number, file in enumerate(rounds, 1):
            # The second round has no scores for one question.
            endpoint.always = but("Japan") if number == 2 else good
            judge_files(config, number, files, results / "work/judge", file)
    write_manifest(
        results, [results / "corpus/pocket/card.json"], results / "manifest.json", rounds
    )
    return make(results, params)


def test_missing_scores_are_left_out_of_means_and_counted(judged: Made) -> None:
    rows = read_rows(judged.results / "tables" / "finetuning.csv", FinetuningRow)
    first, second = rows
    # Answers 10, 20, 30, 40 and 20, 30, 40, 50; question 1 is missing in one round of three.
    assert first.score == pytest.approx((3 * (10 + 30 + 40) + 2 * 20) / 11)
    assert second.score == pytest.approx((3 * (20 + 40 + 50) + 2 * 30) / 11)
    assert [(row.questions, row.missing, row.rank) for row in rows] == [
        (len(QUESTIONS), 1, "2"),
        (len(QUESTIONS), 1, "1"),
    ]
    assert [(row.rank_low, row.rank_high) for row in rows] == [(2, 2), (1, 1)]


def test_the_page_shows_agreement_and_what_is_outside_the_digest(judged: Made) -> None:
    words = " ".join(re.sub(r"<[^>]+>", "", judged.page).split())
    assert "3 judging rounds agree with Kendall's W = 1.00" in words.replace("&#39;", "'")
    assert "That digest does not cover 3 files with a judge’s scores" in words
    assert "judge/alpaca/round-2.jsonl" in words


def test_no_warning_reaches_the_log(judged: Made, recwarn: pytest.WarningsRecorder) -> None:
    gc.collect()  # sockets that other tests have left
    recwarn.clear()
    make(judged.results, judged.params)
    assert [str(warning.message) for warning in recwarn] == []
