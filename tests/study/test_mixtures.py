"""Mixtures, epochs and packing in a config: what they stand for, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from noiseband.study import StudyError, parse_study
from noiseband.study.artefacts import corpora_made_of, table_names
from noiseband.study.contamination import Segment, contaminations
from noiseband.study.data_needs import DataNeeds
from noiseband.study.data_params import MixParams
from noiseband.study.recipe import Recipe
from noiseband.study.table_params import TablesParams

Data = dict[str, Any]
MIXED: Data = {"mixture": {"weights": {"web": 3, "code": 1.0}}, "tokenizer": {"like": "web"}}
PACKED: Data = {"data.packing": "best-fit"}


@pytest.fixture
def mixed(study_data: Data) -> Data:
    """The small study, of a mixture of two corpora."""
    web = study_data["corpora"].pop("text")
    code = copy.deepcopy(web)
    code["sources"][0]["package"] = "code"
    code["tokenizer"] = {"like": "web"}
    study_data["corpora"] = {"web": web, "code": code, "mixed": copy.deepcopy(MIXED)}
    study_data["recipe"]["data"]["corpus"] = "mixed"
    return study_data


def complaints(data: Data) -> dict[str, str]:
    with pytest.raises(StudyError) as caught:
        parse_study(data)
    return {problem.key: str(problem) for problem in caught.value.problems}


def test_its_corpora_are_read_too(mixed: Data) -> None:
    study = parse_study(mixed)
    assert study.corpora == ["mixed", "code", "web"]
    assert corpora_made_of(study, "corpora") == ["mixed"]
    assert MixParams.of(study, "mixed").mixture.weights == {"web": 3.0, "code": 1.0}
    assert TablesParams.of(study).shares == [run.name for run in study.distinct]
    assert "shares" in table_names(study)


def test_studies_without_them_keep_their_params(study_data: Data) -> None:
    study = parse_study(study_data)
    assert "shares" not in TablesParams.of(study).text
    assert "shares" not in table_names(study)
    assert "packed" not in DataNeeds.of(study, "text").text
    assert "epochs" not in study.runs["baseline-42"].recipe.text


def test_each_epoch_needs_its_share_of_the_split(study_data: Data) -> None:
    study_data["interventions"]["thrice"] = {"data.epochs": 3}
    runs = parse_study(study_data).runs
    once, thrice = runs["baseline-42"].built_in, runs["thrice-42"].built_in
    assert (once.tokens, thrice.tokens) == (1024, 1024)
    # 64 sequences in three epochs are 22 different ones.
    assert (once.last_token, thrice.last_token) == (1025, 22 * 16 + 1)
    assert thrice.stop_token == 22 * 16


def test_packed_data_are_a_file_for_each_corpus_and_context(study_data: Data) -> None:
    study_data["interventions"] |= {
        "packed": PACKED,
        "short": {"model.context": 8, **PACKED},
    }
    study_data["runs"].append({"name": "on", "interventions": ["packed"], "continues": "packed-42"})
    study = parse_study(study_data)
    assert study.packed == [("text", 8), ("text", 16)]
    files = {name: study.training_tokens(run).name for name, run in study.runs.items()}
    assert files["baseline-42"] == "train.safetensors"
    assert files["short-42"] == "packed-8.safetensors"
    assert study.runs["on"].built_in.data.start_token == 1024
    reading = DataNeeds.of(study, "text").reading
    assert [(one.packed, one.last_token) for one in reading] == [
        (None, 1025),
        (8, 1024),
        (16, 1024),
        (16, 2048),
    ]
    jobs = contaminations(study)
    assert jobs["text-16~text-packed-16-0-2048"].training == [
        Segment(corpus="text", first=0, stop=2048, packed=16)
    ]
    assert jobs["text-16~text-packed-16-0-2048"].training[0].places == (0, 2048 // 16 * 17)


def test_a_start_of_packed_data_is_the_start_of_a_sequence(study_data: Data) -> None:
    study_data["recipe"]["data"] |= {"packing": "best-fit", "start_token": 100}
    (said,) = complaints(study_data).values()
    assert "start_token=100: is within a packed sequence of 16 tokens; write a multiple" in said
    study_data["recipe"]["data"]["start_token"] = 96
    study_data["runs"].append({"name": "on", "continues": "baseline-42", "start_token": 2010})
    assert complaints(study_data) == {
        "runs.1.start_token": "runs.1.start_token: 2010: is within a packed sequence of 16 tokens; "
        "write a multiple, such as 2016"
    }


def test_a_run_does_not_go_on_with_another_packing(study_data: Data) -> None:
    study_data["interventions"]["packed"] = PACKED
    study_data["runs"].append(
        {"name": "on", "interventions": ["packed"], "continues": "baseline-42"}
    )
    (said,) = complaints(study_data).values()
    assert "reads text with data.packing contiguous" in said
    assert said.endswith("apply the intervention to both runs, or to neither")


REFUSED: dict[str, tuple[Data, str, str]] = {
    "an unknown corpus": (
        {"mixture": {"weights": {"web": 1.0, "coed": 1.0}}},
        "corpora.mixed.mixture.weights.coed",
        "did you mean code",
    ),
    "itself": (
        {"mixture": {"weights": {"web": 1.0, "mixed": 1.0}}},
        "corpora.mixed.mixture.weights.mixed",
        "is this mixture itself",
    ),
    "one corpus": (
        {"mixture": {"weights": {"web": 1.0}}},
        "corpora.mixed.mixture.weights",
        "should have at least 2 keys, not 1; add one",
    ),
    "text as well": (
        {"sources": []},
        "corpora.mixed.sources",
        "does not go with mixture; remove one of them",
    ),
    "no weight": (
        {"mixture": {"weights": {"web": 1.0, "code": 0.0}}},
        "corpora.mixed.mixture.weights.code",
        "greater than 0",
    ),
    "a vocabulary of its own": (
        {"tokenizer": {"kind": "bpe", "vocabulary": 512}},
        "corpora.mixed",
        "a mixture has no text to train it on; write like: code",
    ),
    "special tokens": (
        {"tokenizer": {"like": "web", "allow_special": True}},
        "corpora.mixed",
        "a mixture has no text of its own",
    ),
    "another vocabulary": (
        {"tokenizer": {"kind": "gpt2"}},
        "corpora.mixed.mixture.weights.web",
        "the token ids of web mean other text than those of mixed",
    ),
    "sequences without a length": (
        {"mixture": {"weights": {"web": 1.0, "code": 1.0}, "by": "sequence"}},
        "corpora.mixed.mixture",
        "by: sequence needs it",
    ),
    "a length without sequences": (
        {"mixture": {"weights": {"web": 1.0, "code": 1.0}, "sequence_tokens": 16}},
        "corpora.mixed.mixture",
        "is only for by: sequence",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mixture_that_cannot_be(mixed: Data, name: str) -> None:
    change, key, said = REFUSED[name]
    mixed["corpora"]["mixed"] |= change
    found = complaints(mixed)
    assert key in found, found
    assert said in found[key]


def test_a_mixture_of_mixtures_is_refused(mixed: Data) -> None:
    mixed["corpora"]["more"] = {**MIXED, "mixture": {"weights": {"web": 1.0, "mixed": 1.0}}}
    assert "is a mixture in turn" in complaints(mixed)["corpora.more.mixture.weights.mixed"]


def test_sequences_of_a_mixture_are_not_packed(mixed: Data) -> None:
    mixed["corpora"]["mixed"]["mixture"] |= {"by": "sequence", "sequence_tokens": 16}
    mixed["interventions"]["packed"] = PACKED
    assert "write by: document" in complaints(mixed)["corpora.mixed.mixture.by"]


def test_bits_per_byte_are_of_a_corpus_of_the_mixture(mixed: Data) -> None:
    mixed["evaluation"] = {"unit": "bits-per-byte"}
    said = complaints(mixed)["evaluation.unit"]
    assert "corpus mixed is a mixture" in said
    assert said.endswith("set evaluation.corpus to one that it mixes: code, web")
    mixed["evaluation"]["corpus"] = "web"
    parse_study(mixed)


def test_no_run_is_tested_on_what_it_reads_through_a_mixture(mixed: Data) -> None:
    mixed["evaluation"] = {"corpus": "web", "split": "train", "start_token": 9000}
    assert "or in a mixture" in complaints(mixed)["evaluation.split"]
    # Another corpus of the same text, in other shares.
    other = copy.deepcopy(mixed["corpora"]["web"])
    mixed["corpora"]["other"] = {**other, "test": 0.2, "tokenizer": {"like": "web"}}
    mixed["evaluation"] = {"corpus": "other"}
    assert "of the documents of p" in complaints(mixed)["corpora.web.test"]


def test_packed_data_leave_no_part_of_the_training_split_for_tests(study_data: Data) -> None:
    study_data["interventions"]["packed"] = PACKED
    study_data["evaluation"] = {"split": "train", "start_token": 9000, "tokens": 64, "batch": 4}
    assert "packed, or in a mixture" in complaints(study_data)["evaluation.split"]


def test_a_mixture_has_validation_if_all_its_corpora_have(mixed: Data) -> None:
    mixed["evaluation"] = {"split": "validation"}
    parse_study(mixed)
    mixed["corpora"]["code"]["validation"] = 0
    assert "has no validation split" in complaints(mixed)["evaluation.split"]


def test_a_mixture_has_no_slices(mixed: Data) -> None:
    mixed["evaluations"] = {"parts": {"loss": {"by": {"language": ["en"]}}}}
    said = str(complaints(mixed))
    assert "corpus mixed is a mixture" in said
    assert "set corpus to one that it mixes: code, web" in said


def test_the_neutral_values_are_in_no_digest(study_data: Data) -> None:
    recipe = parse_study(study_data).runs["baseline-42"].built_in
    neutral = recipe.data.model_copy(update={"epochs": 1, "packing": "contiguous"})
    assert Recipe.model_validate({**dict(recipe), "data": neutral}).digest == recipe.digest
    for changed in ({"epochs": 2}, {"packing": "best-fit"}):
        data = recipe.data.model_copy(update=changed)
        assert recipe.model_copy(update={"data": data}).digest != recipe.digest
