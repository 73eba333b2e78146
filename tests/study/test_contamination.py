"""The contamination jobs of a study: which runs share one, and which tokens it compares."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.study import parse_study
from noiseband.study.contamination import (
    ContaminationParams,
    Segment,
    contaminated_runs,
    contaminations,
    merged,
)

Data = dict[str, Any]
EXTENDED: Data = {"name": "extended", "continues": "baseline-42"}


def test_runs_of_one_window_and_the_same_tokens_share_a_job(study_data: Data) -> None:
    study_data["interventions"]["long"] = {"model.context": 32}
    study_data["interventions"]["more"] = {"data.train_tokens": 2000}
    study = parse_study(study_data)
    # 1,000 tokens are rounded up to 1,024, both with steps of 8 x 16 tokens and of 8 x 32.
    runs = contaminated_runs(study)
    assert runs.keys() == contaminations(study).keys()
    assert {name: len(which) for name, which in runs.items()} == {
        "text-16~text-0-1025": len(study.runs) - 2,
        "text-32~text-0-1025": 1,
        "text-16~text-0-2049": 1,
    }
    assert runs["text-32~text-0-1025"] == ["long-42"]
    job = contaminations(study)["text-16~text-0-2049"]
    assert job.training == [Segment(corpus="text", first=0, stop=2049)]
    assert (job.corpus, job.end_of_text, job.not_compared) == ("text", 511, [])


def test_precision_moves_no_window(study_data: Data) -> None:
    before = contaminations(parse_study(study_data))
    study_data["evaluation"] = {"precision": "bfloat16-amp"}
    assert contaminations(parse_study(study_data)) == before
    study_data["evaluation"] = {"start_token": 1}
    assert contaminations(parse_study(study_data)) != before


def test_a_continued_run_has_seen_what_the_other_read(study_data: Data) -> None:
    study_data["runs"] += [EXTENDED, {**EXTENDED, "name": "later", "start_token": 9000}]
    runs = contaminated_runs(parse_study(study_data))
    assert runs["text-16~text-0-2049"] == [
        "extended"
    ]  # The segments share a token, so they are merged.
    assert runs["text-16~text-0-1025~text-9000-10025"] == ["later"]


def test_names_fit_every_file_system_and_stay_apart(study_data: Data) -> None:
    corpus = "c" * 100  # the longest possible name of a corpus
    study_data["corpora"] = {corpus: study_data["corpora"]["text"]}
    study_data["recipe"]["data"]["corpus"] = corpus
    study_data["runs"] += [EXTENDED | {"name": f"from-{n}", "start_token": n} for n in (8000, 9000)]
    names = list(contaminations(parse_study(study_data)))
    assert len(names) == 3
    assert all(len(name) <= 150 for name in names)


def test_corpora_are_compared_where_their_ids_mean_the_same(study_data: Data) -> None:
    text = study_data["corpora"]["text"]
    study_data["corpora"] |= {"same": text, "cut": {**text, "test": 0.04, "validation": 0.04}}
    study_data["seeds"] |= {"same": [], "cut": []}
    study_data["interventions"] |= {k: {"data.corpus": k} for k in ("same", "cut")}
    study_data["runs"] = [
        {**EXTENDED, "interventions": ["same"]},
        {**EXTENDED, "name": "other", "interventions": ["cut"]},
    ]
    # In a vocabulary that was trained on other documents, id 300 is another word.
    with pytest.raises(UserError, match="whose vocabulary is not that of text"):
        parse_study(study_data)
    study_data["corpora"]["cut"]["tokenizer"] = {"like": "text"}
    study = parse_study(study_data)
    of = {name: ContaminationParams.of(study, run) for name, run in study.runs.items()}
    # One corpus with two names has the same tokens, which are read twice.
    assert of["extended"].training == [Segment(corpus="same", first=0, stop=1025)]
    assert [one.corpus for one in of["other"].training] == ["cut", "text"]
    assert (of["extended"].not_compared, of["other"].not_compared) == ([], [])
    for corpus in study_data["corpora"].values():
        corpus["tokenizer"] = {"kind": "gpt2"}
    study_data["recipe"]["model"]["vocabulary"] = 50257
    study = parse_study(study_data)
    params = ContaminationParams.of(study, study.runs["other"])
    assert params.name == "cut-16~cut-0-1025~text-0-1025"
    assert (params.not_compared, params.end_of_text) == ([], 50256)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([("b", 0, 5), ("a", 7, 9)], [("a", 7, 9), ("b", 0, 5)]),
        ([("a", 5, 9), ("a", 0, 5)], [("a", 0, 9)]),
        ([("a", 0, 9), ("a", 2, 4), ("a", 8, 10)], [("a", 0, 10)]),
        ([("a", 0, 4), ("a", 5, 9)], [("a", 0, 4), ("a", 5, 9)]),
    ],
)
def test_segments_that_touch_are_one(segments: Any, expected: Any) -> None:
    given = [Segment(corpus=c, first=first, stop=stop) for c, first, stop in segments]
    assert [(s.corpus, s.first, s.stop) for s in merged(given)] == expected
