"""Tokenizers in files, and a vocabulary's size as a change: what a config may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.study import StudyError, parse_study
from noiseband.study.contamination import ContaminationParams
from noiseband.study.data_needs import DataNeeds, OwnIds
from noiseband.study.data_params import VocabularyParams
from noiseband.study.params import EvaluateParams
from noiseband.study.table_params import TablesParams
from noiseband.study.vocabularies import same_ids
from tests.own_tokenizers import byte_level, sentencepiece

Data = dict[str, Any]
COMMIT = "0123456789" * 4
HUB = {"kind": "file", "repo": "me/model", "revision": COMMIT}
TEXTS = ["the king said unto his people that the house of stone was great"] * 9


def problems(data: Data) -> dict[str, str]:
    try:
        parse_study(data)
    except StudyError as error:
        return {problem.key: str(problem) for problem in error.problems}
    return {}


def with_file(data: Data, tokenizer: Data, size: int) -> Data:
    data["corpora"]["text"]["tokenizer"] = tokenizer
    data["recipe"]["model"]["vocabulary"] = size
    return data


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tokenizer.json").write_text(byte_level(TEXTS, 270))
    (tmp_path / "pieces.model").write_bytes(sentencepiece(TEXTS, 26))
    return tmp_path


@pytest.mark.parametrize(
    ("tokenizer", "size", "end"),
    [
        ({"path": "tokenizer.json"}, 270, 0),
        ({"path": "tokenizer.json", "end_of_text": "t"}, 270, None),
        ({"path": "pieces.model"}, 26, 2),
        ({"path": "pieces.model", "end_of_text": "<s>"}, 26, 1),
    ],
)
def test_a_file_says_its_size_and_its_end(
    study_data: Data, files: Path, tokenizer: Data, size: int, end: int | None
) -> None:
    study = parse_study(with_file(study_data, {"kind": "file", **tokenizer}, size))
    facts = study.config.corpora["text"].tokenizer.facts  # type: ignore[union-attr]
    assert facts is not None and facts.size == size and end in (None, facts.end_of_text)
    wrong = problems(with_file(study_data, {"kind": "file", **tokenizer}, size + 1))
    assert wrong.keys() == {"recipe.model.vocabulary"}
    assert f"has {size} ids; write {size}" in wrong["recipe.model.vocabulary"]


def test_a_model_that_sees_documents_knows_their_end(study_data: Data, files: Path) -> None:
    data = with_file(study_data, {"kind": "file", "path": "tokenizer.json"}, 270)
    data["recipe"]["model"]["attention"] = {"documents": True}
    found = problems(data)
    assert "the end of text of corpus text is 0; write that" in found.popitem()[1] and not found
    data["recipe"]["model"]["attention"]["end_of_text"] = 0
    assert parse_study(data).config.built_in.model.end_of_text == 0
    data["recipe"]["model"]["attention"]["documents"] = False
    assert "without documents changes nothing" in problems(data).popitem()[1]


@pytest.mark.parametrize(
    ("tokenizer", "key", "said"),
    [
        ({}, "", "give either `repo` with `revision`, or `path`"),
        ({"path": "a.txt"}, "", "a.txt: not a tokenizer; name a file"),
        ({"path": "none.json"}, ".path", "No such file or directory; give a path relative"),
        ({"path": "empty.model"}, ".path", "not a model of SentencePiece"),
        ({"path": "other.json"}, ".path", "not a file of the library tokenizers"),
        ({"path": "tokenizer.json", "end_of_text": "</s>"}, ".path", "end_of_text=</s>: has no"),
        ({"path": "tokenizer.json", "sha256": "0" * 64}, ".path", "correct one of them"),
        ({"path": "tokenizer.json", "file": "b.json"}, "", "file: it needs `repo`; remove it"),
        ({"repo": "me/model", "revision": "main"}, "", "revision=main may move"),
        ({**HUB, "file": "a/../../b.json"}, "", "remove the `..`"),
        ({**HUB, "vocabulary": 300}, ".vocabulary", "does not go with the other keys"),
    ],
)
def test_mistakes_are_told_in_a_line(
    study_data: Data, files: Path, tokenizer: Data, key: str, said: str
) -> None:
    (files / "other.json").write_text("{}")
    (files / "empty.model").write_bytes(b"")
    ((found, message),) = problems(
        with_file(study_data, {"kind": "file", **tokenizer}, 270)
    ).items()
    assert found == f"corpora.text.tokenizer{key}"
    assert said in message and "\n" not in message


def test_random_merges_are_refused(study_data: Data, files: Path) -> None:
    text = (files / "tokenizer.json").read_text()
    (files / "tokenizer.json").write_text(text.replace('"dropout":null', '"dropout":0.1'))
    data = with_file(study_data, {"kind": "file", "path": "tokenizer.json"}, 270)
    assert "model.dropout is not 0" in problems(data)["corpora.text.tokenizer.path"]


def test_a_file_of_the_hub_is_checked_with_the_data(study_data: Data) -> None:
    study = parse_study(with_file(study_data, HUB, 300))
    needs = DataNeeds.of(study, "text")
    assert needs.ids == [OwnIds(run=next(iter(study.runs)), vocabulary=300, end_of_text=None)]
    run = next(iter(study.runs.values()))
    assert ContaminationParams.of(study, run).end_of_text is None
    params = VocabularyParams.of(study, "text")
    assert params.kind == "file" and params.tokenizer == params.file
    assert "like" not in params.text and params.file is not None and params.file.repo == "me/model"


def test_one_file_is_one_vocabulary(study_data: Data, files: Path) -> None:
    one = {"kind": "file", "path": "tokenizer.json"}
    text = with_file(study_data, one, 270)["corpora"]["text"]
    study_data["corpora"] |= {
        "special": {**text, "tokenizer": {**one, "allow_special": True}},
        "like": {**text, "test": 0.2, "tokenizer": {"like": "text"}},
        "other": {**text, "tokenizer": {**one, "end_of_text": "a"}},
    }
    corpora = parse_study(study_data).config.corpora
    assert same_ids(corpora, "text", "special") and same_ids(corpora, "text", "like")
    assert not same_ids(corpora, "text", "other")


@pytest.fixture
def vocabularies(study_data: Data) -> Data:
    """A study of two sizes of a vocabulary on the same documents."""
    text = study_data["corpora"]["text"]
    study_data["corpora"]["large"] = {**text, "tokenizer": {"kind": "bpe", "vocabulary": 600}}
    study_data["interventions"]["large"] = {"data.corpus": "large", "model.vocabulary": 600}
    study_data["evaluation"] = {"unit": "bits-per-byte"}
    return study_data


def test_a_vocabulary_is_a_change_in_bits_per_byte(vocabularies: Data) -> None:
    study = parse_study(vocabularies)
    assert study.metrics[0].unit == TablesParams.of(study).unit == "bits per byte"
    run = next(run for run in study.runs.values() if run.intervention == "large")
    assert study.measured_on(run) == "large"
    assert EvaluateParams.of(study, run).evaluation.in_bits


def test_nats_of_two_vocabularies_are_not_compared(vocabularies: Data) -> None:
    del vocabularies["evaluation"]["unit"]
    ((key, said),) = problems(vocabularies).items()
    assert key == "evaluation.unit"
    assert "whose vocabulary is not that of text" in said and "write bits-per-byte" in said
    assert "\n" not in said
    # Nor those of a further evaluation.
    vocabularies["evaluation"]["unit"] = "bits-per-byte"
    vocabularies["evaluations"] = {"again": {"loss": {"batch": 2}}}
    assert problems(vocabularies).keys() == {"evaluations.again.loss.unit"}
    vocabularies["evaluations"]["again"]["loss"]["unit"] = "bits-per-byte"
    assert [one.unit for one in parse_study(vocabularies).metrics] == ["bits per byte"] * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"test": 0.2}, "has other documents or other splits than text"),
        ({"order": "as-read"}, "has other documents or other splits than text"),
    ],
)
def test_bits_are_of_the_same_documents(vocabularies: Data, change: Data, said: str) -> None:
    vocabularies["corpora"]["large"] |= change
    assert said in problems(vocabularies)["evaluation.unit"]


def test_bits_are_of_documents_that_end_once(vocabularies: Data) -> None:
    vocabularies["corpora"]["large"]["tokenizer"]["allow_special"] = True
    assert "has tokenizer.allow_special" in problems(vocabularies)["evaluation.unit"]


@pytest.mark.parametrize(("key", "value"), [("tokens", 64), ("start_token", 5)])
def test_bits_are_of_the_whole_split(vocabularies: Data, key: str, value: int) -> None:
    vocabularies["evaluation"][key] = value
    assert (
        f"{key}={value}: unit bits-per-byte measures whole" in problems(vocabularies).popitem()[1]
    )


def test_the_published_series_is_in_nats(vocabularies: Data) -> None:
    vocabularies["published"] = True
    assert "losses in nats" in problems(vocabularies)["evaluation.unit"]
