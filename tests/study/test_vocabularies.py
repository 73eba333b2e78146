"""A corpus that takes another corpus's vocabulary: what it allows, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from noiseband.study import StudyError, parse_study
from noiseband.study.contamination import contaminations
from noiseband.study.data_params import TokenizeParams, VocabularyParams
from noiseband.study.vocabularies import same_ids, same_tokens, tokenizer_of, vocabulary_of

Data = dict[str, Any]


def with_corpora(data: Data, **tokenizers: Data) -> Data:
    """The study with further corpora of other texts, each with a tokenizer."""
    for name, tokenizer in tokenizers.items():
        corpus = copy.deepcopy(data["corpora"]["text"])
        corpus["sources"][0]["package"] = name
        data["corpora"][name] = {**corpus, "tokenizer": tokenizer}
    return data


def complaints(data: Data) -> list[str]:
    with pytest.raises(StudyError) as caught:
        parse_study(data)
    return [*map(str, caught.value.problems)]


def test_a_study_with_a_vocabulary_of_its_own_reads_another_corpus(study_data: Data) -> None:
    with_corpora(study_data, code={"like": "text", "allow_special": True})
    study_data["evaluations"] = {"code": {"loss": {"corpus": "code"}}}
    study_data["interventions"]["code"] = {"data.corpus": "code"}
    study = parse_study(study_data)
    corpora = study.config.corpora
    assert study.corpora == ["text", "code"]
    assert vocabulary_of(corpora, "code") == "text"
    assert tokenizer_of(corpora, "code").facts == (512, 511)
    assert same_ids(corpora, "code", "text") and not same_tokens(corpora, "code", "text")
    params = VocabularyParams.of(study, "code")
    assert (params.kind, params.vocabulary, params.like) == ("bpe", 512, "text")
    assert TokenizeParams.of(study, "code").allow_special
    # Equal ids are equal text, so what a run on one has seen of the other is counted.
    (of_code,) = (one for one in contaminations(study).values() if one.training[0].corpus == "code")
    assert (of_code.corpus, of_code.not_compared) == ("code", [])


def test_params_of_other_corpora_are_what_they_were(study_data: Data) -> None:
    params = VocabularyParams.of(parse_study(study_data), "text")
    assert params.text == '{"kind":"bpe","vocabulary":512}'


def test_the_corpus_that_lends_its_vocabulary_is_read_too(study_data: Data) -> None:
    with_corpora(study_data, lends=study_data["corpora"]["text"]["tokenizer"])
    study_data["corpora"]["text"]["tokenizer"] = {"like": "lends"}
    study = parse_study(study_data)
    assert (study.corpora, study.read_corpora) == (["text"], ["text", "lends"])


def test_equal_texts_of_other_sizes_are_other_vocabularies(study_data: Data) -> None:
    for name, size in (("alike", 512), ("larger", 600)):
        with_corpora(study_data, **{name: {"kind": "bpe", "vocabulary": size}})
        study_data["corpora"][name]["sources"] = study_data["corpora"]["text"]["sources"]
    corpora = parse_study(study_data).config.corpora
    assert same_tokens(corpora, "alike", "text") and not same_ids(corpora, "larger", "text")


def test_equal_texts_with_one_vocabulary_are_the_same_tokens(study_data: Data) -> None:
    """So a window in the training split that a run reads is refused."""
    with_corpora(study_data, again={"like": "text"})
    study_data["corpora"]["again"]["sources"] = study_data["corpora"]["text"]["sources"]
    corpora = parse_study(study_data).config.corpora
    assert same_tokens(corpora, "again", "text")
    study_data["evaluation"] = {"corpus": "again", "split": "train"}
    assert complaints(study_data)[0].startswith("evaluation.start_token: 0: run baseline-42 reads")


def test_the_vocabulary_of_a_model_is_that_of_the_other_corpus(study_data: Data) -> None:
    with_corpora(study_data, code={"like": "text"})
    study_data["recipe"]["data"]["corpus"] = "code"
    study_data["recipe"]["model"]["vocabulary"] = 300
    assert complaints(study_data) == [
        "recipe.model.vocabulary: 300: the tokenizer of corpus code has 512 ids; write 512"
    ]


@pytest.mark.parametrize(
    ("tokenizers", "said"),
    [
        (
            {"code": {"like": "txt"}},
            ['corpora.code.tokenizer.like: "txt": no such name; did you mean text?'],
        ),
        (
            {"code": {"like": "code"}},
            [
                'corpora.code.tokenizer.like: "code": is this corpus itself; name another one, or '
                "give it a kind of its own"
            ],
        ),
        (
            {"code": {"like": "text"}, "more": {"like": "code"}},
            [
                'corpora.more.tokenizer.like: "code": takes its vocabulary from text in turn; '
                "write like: text"
            ],
        ),
        (
            {"code": {"like": "more"}, "more": {"like": "code"}},
            [
                'corpora.code.tokenizer.like: "more": takes its vocabulary from code in turn; '
                "give one of them a kind of its own",
                'corpora.more.tokenizer.like: "code": takes its vocabulary from more in turn; '
                "give one of them a kind of its own",
            ],
        ),
    ],
)
def test_names_chains_and_circles_are_refused(
    study_data: Data, tokenizers: Data, said: list[str]
) -> None:
    with_corpora(study_data, **tokenizers)
    study_data["evaluations"] = {"code": {"loss": {"corpus": "code"}}}
    assert complaints(study_data) == said


def test_what_else_is_wrong_with_one_is_a_line(study_data: Data) -> None:
    with_corpora(study_data, code={"like": "text", "vocabulary": 300})
    (said,) = complaints(study_data)
    assert said.startswith("corpora.code.tokenizer.vocabulary: 300: does not go with like")
    study_data["corpora"]["code"] = {
        "tokenised": {"path": "here", "train": "a.safetensors", "test": "b.safetensors"},
        "tokenizer": {"like": "text"},
    }
    (said,) = complaints(study_data)
    assert "tokenizer.like=text: nothing shows that the tokens are of that vocabulary" in said


def test_another_vocabulary_is_refused_with_a_remedy(study_data: Data) -> None:
    with_corpora(study_data, code={"kind": "bpe", "vocabulary": 512})
    study_data["evaluation"] = {"corpus": "code"}
    (said,) = complaints(study_data)
    assert "write tokenizer: {like: text} in corpora.code, give both corpora the tokenizer" in said
