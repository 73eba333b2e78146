"""The sources that a corpus may have, and the errors about those that it may not have."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.study import StudyError, parse_study
from noiseband.study.corpora import Corpus, TokenisedCorpus

Data = dict[str, Any]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RAW = {"repo": "some/text", "revision": COMMIT, "files": ["sample/*.parquet"]}
TOKENS = {
    "repo": "some/tokens",
    "revision": "main",
    "unpinned": True,
    "train": "train.safetensors",
    "test": "held-out.safetensors",
}


def study_with(data: Data, corpus: Data) -> Data:
    data["corpora"]["text"] = corpus
    data["recipe"]["model"]["vocabulary"] = 50257
    return data


def raw(data: Data, source: Data, **keys: Any) -> Data:
    return study_with(data, {"sources": [source], "tokenizer": {"kind": "gpt2"}, **keys})


def tokenised(data: Data, source: Data, kind: Data | None = None) -> Data:
    return study_with(data, {"tokenised": source, "tokenizer": kind or {"kind": "gpt2"}})


def problems(data: Data) -> dict[str, str]:
    try:
        parse_study(data)
    except StudyError as error:
        return {problem.key: str(problem) for problem in error.problems}
    return {}


def test_each_kind_is_read_as_itself(study_data: Data) -> None:
    found = parse_study(raw(study_data, RAW, order="as-read", validation=0.0)).config.corpora
    assert isinstance(found["text"], Corpus)
    assert found["text"].sources[0].origin == "some/text: sample/*.parquet"
    assert not found["text"].has_validation
    found = parse_study(tokenised(study_data, TOKENS)).config.corpora
    assert isinstance(found["text"], TokenisedCorpus)
    assert found["text"].tokenised.files == {"train": TOKENS["train"], "test": TOKENS["test"]}


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        ({"revision": "main"}, "", "revision=main may move; give the commit's 40 hex digits"),
        ({"revision": COMMIT[:7]}, "", "may move"),
        ({"revision": None}, "", "give `repo` and `revision` together"),
        ({"path": "here"}, "", "give either `repo` with `revision`, or `path`"),
        ({"repo": None, "revision": None}, "", "give either `repo` with"),
        (
            {"repo": None, "revision": None, "path": "x", "unpinned": True},
            "",
            "unpinned=True: it needs `repo`",
        ),
        ({"repo": "nobody"}, ".repo", "owner/name"),
        ({"files": []}, ".files", "at least 1"),
        ({"files": ["a.csv"]}, "", "files=a.csv: no such format; valid: .parquet, .jsonl"),
        ({"sha256": {"a.parquet": "12"}}, ".sha256.a.parquet", "64 hexa"),
        ({"colum": "text"}, ".colum", "unknown key; did you mean column?"),
    ],
)
def test_a_source_that_cannot_be(study_data: Data, change: Data, key: str, said: str) -> None:
    source = {k: v for k, v in {**RAW, **change}.items() if v is not None}
    found = problems(raw(study_data, source))
    assert found.keys() == {f"corpora.text.sources.0{key}"}
    assert said in found[f"corpora.text.sources.0{key}"]


@pytest.mark.parametrize(
    ("source", "key", "said"),
    [
        ({"dataset": "imdb"}, "dataset", "owner/name of a data set on the Hub, or a folder that"),
        ({"dataset": "./x", "files": ["*.txt"]}, "files", "does not go with dataset; remove one"),
    ],
)
def test_a_data_set_that_cannot_be(study_data: Data, source: Data, key: str, said: str) -> None:
    ((found, message),) = problems(raw(study_data, source)).items()
    assert found == f"corpora.text.sources.0.{key}" and said in message


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        ({"unpinned": False}, "", "or set unpinned: true"),
        ({"train": "train.parquet"}, ".train", "match pattern"),
        ({"validation": "held-out.safetensors"}, "", "two splits share one"),
        ({"sha256": {"x.safetensors": "0" * 64}}, "", "sha256=x.safetensors: not a split's file"),
        ({"files": ["x"]}, ".files", "unknown key"),
    ],
)
def test_tokens_that_cannot_be(study_data: Data, change: Data, key: str, said: str) -> None:
    found = problems(tokenised(study_data, {**TOKENS, **change}))
    assert found.keys() == {f"corpora.text.tokenised{key}"}
    assert said in found[f"corpora.text.tokenised{key}"]


def test_tokens_of_a_vocabulary_that_nobody_has(study_data: Data) -> None:
    found = problems(tokenised(study_data, TOKENS, {"kind": "bpe", "vocabulary": 512}))
    assert "there is no text to train it on; write gpt2" in found["corpora.text"]


def test_a_validation_split_that_is_not_there(study_data: Data) -> None:
    study_data["evaluation"] = {"split": "validation"}
    for data in (raw(study_data, RAW, validation=0), tokenised(study_data, TOKENS)):
        found = problems(data)
        assert "corpus text has no validation split" in found["evaluation.split"]
    assert problems(raw(study_data, RAW, validation=0.01)) == {}


@pytest.mark.parametrize("order", ["hashed", "as-read"])
def test_splits_are_shares_of_the_documents(order: str) -> None:
    corpus = Corpus.model_validate(
        {"sources": [RAW], "order": order, "test": 0.25, "validation": 0.125,
         "tokenizer": {"kind": "gpt2"}}
    )  # fmt: skip
    parts = [corpus.part(split) for split in ("train", "validation", "test")]
    assert [end - begin for begin, end in parts] == [0.625, 0.125, 0.25]
    ends = [end for _, end in parts]
    assert [*ends] == ([1.0, 0.375, 0.25] if order == "hashed" else [0.625, 0.75, 1.0])


def test_another_order_of_the_same_documents_keeps_nothing_apart(study_data: Data) -> None:
    raw(study_data, RAW)
    study_data["corpora"]["more"] = {**study_data["corpora"]["text"], "order": "as-read"}
    study_data["interventions"]["more"] = {"data.corpus": "more"}
    study_data["seeds"]["more"] = []
    study_data["runs"] = [
        {"name": "extended", "continues": "baseline-42", "interventions": ["more"]}
    ]
    found = problems(study_data)["corpora.text.test"]
    assert "of some/text: sample/*.parquet" in found
    assert "in another order; give both corpora the same order and shares" in found
    study_data["corpora"]["text"]["sources"] = [{**RAW, "files": ["other/*.parquet"]}]
    assert problems(study_data) == {}
