"""No run is tested on tokens that it, or a run that it continues, was trained on."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.study import StudyError, parse_study

Data = dict[str, Any]
EXTENDED = {"name": "extended", "continues": "baseline-42"}
# Runs of the small study read tokens 0 to 1,025. A window has whole batches of 4 x 16 tokens.
WINDOW = {"split": "train", "batch": 4, "tokens": 130}


def problems(data: Data) -> dict[str, str]:
    try:
        parse_study(data)
    except StudyError as error:
        return {problem.key: str(problem) for problem in error.problems}
    return {}


@pytest.mark.parametrize("split", ["test", "validation"])
def test_held_out_splits_may_be_used_from_the_start(study_data: Data, split: str) -> None:
    study_data["runs"].append(EXTENDED)
    study_data["evaluation"] = {"split": split}
    assert problems(study_data) == {}


@pytest.mark.parametrize(("start", "clash"), [(0, True), (1024, True), (1025, False)])
def test_a_window_of_the_training_split_lies_beyond_what_was_read(
    study_data: Data, start: int, clash: bool
) -> None:
    study_data["evaluation"] = {**WINDOW, "start_token": start}
    found = problems(study_data)
    assert found.keys() == ({"evaluation.start_token"} if clash else set())
    if clash:
        (text,) = found.values()
        assert f"{start}: run " in text
        assert text.endswith(
            "reads tokens 0 to 1,025 of the training split, and the test window takes "
            f"{start:,} to {start + 129:,}; start at 1,025 or later, or set split to test"
        )


@pytest.mark.parametrize(("start", "clash"), [(0, False), (71, False), (72, True)])
def test_a_window_before_what_was_read_is_rounded_down_to_batches(
    study_data: Data, start: int, clash: bool
) -> None:
    # 130 tokens are two batches of 64 and one token for the last target, so 201 is not read.
    study_data["recipe"]["data"]["start_token"] = 200
    study_data["evaluation"] = {**WINDOW, "start_token": start}
    assert bool(problems(study_data)) == clash


def test_the_window_of_a_run_that_it_goes_on_from_counts(study_data: Data) -> None:
    entry = {**EXTENDED, "start_token": 5000}
    study_data["evaluation"] = {**WINDOW, "start_token": 2000}
    study_data["runs"] = [entry]
    assert problems(study_data) == {}
    study_data["evaluation"]["start_token"] = 5100
    assert (
        "run extended reads tokens 5,000 to 6,025"
        in (problems(study_data)["evaluation.start_token"])
    )
    # This run's own tokens do not overlap the window, but those of the run that it continues do.
    study_data["recipe"]["data"]["start_token"] = 8000
    study_data["interventions"]["early"] = {"data.start_token": 0}
    study_data["seeds"]["early"] = []
    study_data["runs"] = [
        {"name": "first", "seed": 5, "interventions": ["early"]},
        {"name": "second", "continues": "first", "start_token": 20_000},
    ]
    study_data["evaluation"]["start_token"] = 500
    text = problems(study_data)["evaluation.start_token"]
    assert "run first" in text
    assert "start at 21,025 or later" in text


def test_a_window_to_the_end_of_the_split_ends_where_the_pins_say(study_data: Data) -> None:
    study_data["recipe"]["data"]["start_token"] = 5000
    study_data["evaluation"] = {"split": "train", "batch": 4}
    assert "takes 0 on;" in problems(study_data)["evaluation.start_token"]
    corpus = study_data["corpora"]["text"]
    corpus["tokens"] = {"train": 6100, "validation": 10, "test": 10}
    study_data["evaluation"]["start_token"] = 6025
    assert problems(study_data) == {}


def test_one_corpus_under_two_names_is_one(study_data: Data) -> None:
    study_data["corpora"]["more"] = {
        **study_data["corpora"]["text"],
        "tokens": {"train": 9000, "validation": 10, "test": 10},
    }
    study_data["interventions"]["more"] = {"data.corpus": "more"}
    study_data["seeds"]["more"] = []
    study_data["runs"] = [{**EXTENDED, "interventions": ["more"], "start_token": 5000}]
    study_data["evaluation"] = {**WINDOW, "start_token": 1000}
    assert "reads tokens 0 to 1,025" in problems(study_data)["evaluation.start_token"]
    study_data["evaluation"]["start_token"] = 2000
    assert problems(study_data) == {}


@pytest.mark.parametrize(
    ("split", "shares", "clash"),
    [
        ("test", {"test": 0.05, "validation": 0.03}, False),
        ("test", {"test": 0.01, "validation": 0.04}, False),
        ("test", {"test": 0.01, "validation": 0.03}, True),
        ("validation", {"test": 0.04, "validation": 0.04}, False),
        ("validation", {"test": 0.01, "validation": 0.04}, True),
    ],
)
def test_another_corpus_of_the_same_source_must_hold_out_as_much(
    study_data: Data, split: str, shares: Data, clash: bool
) -> None:
    text = study_data["corpora"]["text"]
    study_data["corpora"]["more"] = {**text, "tokenizer": {"like": "text"}}
    text = study_data["corpora"]["text"] = {**text, **shares}
    study_data["interventions"]["more"] = {"data.corpus": "more"}
    study_data["seeds"]["more"] = []
    study_data["runs"] = [{**EXTENDED, "interventions": ["more"]}]
    study_data["evaluation"] = {"split": split}
    found = problems(study_data)
    assert found.keys() == ({"corpora.text.test"} if clash else set())
    if clash:
        assert (
            "run baseline-42, which extended continues, trains on "
            f"{sum(shares.values()):.2f} to 1 of the documents of p, and the {split} split of "
            f"corpus more is {'0 to 0.05' if split == 'test' else '0.05 to 0.08'} of them; give"
        ) in found["corpora.text.test"]
    other = {**text["sources"][0], "package": "q"}
    study_data["corpora"]["text"] = {**text, "sources": [other]}
    assert problems(study_data) == {}  # other documents


def test_every_window_of_the_training_split_may_hold_what_another_corpus_trains_on(
    study_data: Data,
) -> None:
    study_data["corpora"]["more"] = {**study_data["corpora"]["text"], "test": 0.2}
    study_data["interventions"]["more"] = {"data.corpus": "more"}
    study_data["seeds"]["more"] = []
    study_data["runs"] = [{**EXTENDED, "interventions": ["more"]}]
    study_data["evaluation"] = {**WINDOW, "start_token": 5000}
    assert "and set evaluation.split to test" in problems(study_data)["corpora.text.test"]


@pytest.mark.parametrize(
    ("window", "fits"),
    [
        ({"tokens": 128, "start_token": 871}, True),
        ({"tokens": 128, "start_token": 872}, False),
        ({"tokens": 63}, False),
        ({"start_token": 934}, True),
        ({"start_token": 936}, False),
        ({"tokens": 1000}, True),
        ({"split": "validation", "tokens": 1000}, False),
    ],
)
def test_a_window_beyond_pinned_tokens_is_found_before_anything_trains(
    study_data: Data, window: Data, fits: bool
) -> None:
    study_data["corpora"]["text"]["tokens"] = {"train": 9000, "validation": 500, "test": 1000}
    study_data["evaluation"] = {"batch": 4, **window}
    found = problems(study_data)
    assert found.keys() == (set() if fits else {"evaluation"})
    if not fits:
        split, there = ("test", "1,000") if "split" not in window else ("validation", "500")
        assert f"the {split} split of corpus text has {there} tokens" in found["evaluation"]
    del study_data["corpora"]["text"]["tokens"]
    assert problems(study_data) == {}


def test_the_window_is_of_the_corpus_that_all_runs_are_measured_on(study_data: Data) -> None:
    text = study_data["corpora"]["text"]
    short = {**text, "tokens": {"train": 9000, "validation": 0, "test": 100}}
    study_data["corpora"]["short"] = short
    study_data["interventions"]["short"] = {"data.corpus": "short"}
    study_data["evaluation"] = {"batch": 4, "tokens": 128}
    assert "corpus short has 100 tokens" in problems(study_data)["evaluation"]
    study_data["evaluation"]["corpus"] = "text"
    assert "evaluation" not in problems(study_data)
