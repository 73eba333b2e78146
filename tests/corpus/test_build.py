from __future__ import annotations

import hashlib
import tempfile
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseband.corpus.build import build_corpus, split_sizes
from noiseband.corpus.documents import SPLITS, Document, read_documents
from noiseband.corpus.shuffle import Shuffled
from noiseband.errors import UserError
from noiseband.io.files import read_json
from noiseband.study.corpora import Corpus, Documents, Source
from tests.corpus.conftest import ASV, reading_of

SHARE = st.floats(0.01, 0.49)


def numbered(count: int) -> list[Document]:
    return [Document(f"d/{i}", f"text {i}") for i in range(count)]


def split(documents: list[Document], validation: float, test: float) -> dict[str, list[Document]]:
    """The documents of each split of a corpus in hashed order."""
    config = Documents(sources=[ASV], validation=validation, test=test)
    with tempfile.TemporaryDirectory() as folder:
        shuffled = Shuffled(reading_of(documents), Path(folder) / "order")
        ordered = iter(shuffled)
        sizes = split_sizes(shuffled.count, config)
        return {name: list(islice(ordered, size)) for name, size in sizes.items()}


@given(st.integers(100, 400), SHARE, SHARE)
@settings(max_examples=25, deadline=None)
def test_splits_are_disjoint_complete_and_of_the_size_asked_for(
    count: int, validation: float, test: float
) -> None:
    documents = numbered(count)
    splits = split(documents, validation, test)
    assert len(splits["validation"]) == round(validation * count)
    assert len(splits["test"]) == round(test * count)
    together = [document for name in SPLITS for document in splits[name]]
    assert sorted(d.id for d in together) == sorted(d.id for d in documents)


@given(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=100, max_size=150))
@settings(max_examples=25, deadline=None)
def test_no_text_lies_in_two_splits(texts: list[str]) -> None:
    documents = [Document(f"d/{i}", text) for i, text in enumerate([*texts, "0", "1", "2", "3"])]
    splits = split(documents, 0.3, 0.3)
    kept = [document for part in splits.values() for document in part]
    assert sorted(d.text for d in kept) == sorted({*texts, "0", "1", "2", "3"})
    # Of documents with equal texts, the first is kept.
    assert all(d == next(other for other in documents if other.text == d.text) for d in kept)


def test_splits_do_not_depend_on_the_order_of_reading() -> None:
    documents = numbered(50)
    assert split(documents, 0.1, 0.1) == split(documents[::-1], 0.1, 0.1)


def test_order_is_that_of_the_hashed_ids() -> None:
    splits = split(numbered(500), 0.1, 0.2)
    ids = [d.id for name in ("test", "validation", "train") for d in splits[name]]
    assert ids == sorted(ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def test_as_read_holds_out_the_end() -> None:
    config = Documents(sources=[ASV], order="as-read", validation=0.1, test=0.01)
    assert [*split_sizes(1000, config).items()] == [
        ("train", 890), ("validation", 100), ("test", 10),
    ]  # fmt: skip


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(UserError, match=r"test=0\.1: of 9 documents, none is left for validation"):
        split(numbered(9), 0.01, 0.1)
    with pytest.raises(UserError, match="of 1 documents, none is left for test"):
        split(numbered(1), 0, 0.1)
    assert split(numbered(9), 0, 0.1)["validation"] == []


def test_the_pocket_corpus(corpus: Path, chapters: list[Document], entries: list[Document]) -> None:
    splits = {name: list(read_documents(corpus / f"{name}.jsonl")) for name in SPLITS}
    assert {name: len(part) for name, part in splits.items()} == {
        "train": 3113,
        "validation": 101,
        "test": 169,
    }
    together = {document for part in splits.values() for document in part}
    assert together == {*chapters, *entries}
    for part in splits.values():
        assert {document.id.split("/")[0] for document in part} == {"asv", "factbook"}


def test_the_card_counts_what_was_written(corpus: Path, pocket: Corpus) -> None:
    card = read_json(corpus / "card.json")
    for name in SPLITS:
        texts = [document.text for document in read_documents(corpus / f"{name}.jsonl")]
        assert card["splits"][name] == {
            "documents": len(texts),
            "characters": sum(map(len, texts)),
            "bytes": len("".join(texts).encode()),
        }
    pins = [one.sha256 for one in pocket.sources if isinstance(one, Source)]
    assert [source["sha256"] for source in card["sources"]] == pins
    assert [source["documents"] for source in card["sources"]] == [1189, 2194]
    assert all("public domain" in source["licence"] for source in card["sources"])
    assert card["duplicates_left_out"] == 0


def test_a_source_named_twice_counts_once(pocket: Corpus, tmp_path: Path) -> None:
    asv, _ = pocket.sources
    build_corpus(pocket.model_copy(update={"sources": [asv, asv]}), tmp_path)
    card = read_json(tmp_path / "card.json")
    assert card["duplicates_left_out"] == 1189
    assert sum(split["documents"] for split in card["splits"].values()) == 1189


def test_a_second_build_gives_the_same_bytes(corpus: Path, pocket: Corpus, tmp_path: Path) -> None:
    build_corpus(pocket, tmp_path)
    names = sorted(path.name for path in corpus.iterdir() if path.is_file())
    assert names == ["card.json", "test.jsonl", "train.jsonl", "validation.jsonl"]
    for name in names:
        assert (tmp_path / name).read_bytes() == (corpus / name).read_bytes()


def test_text_that_does_not_match_its_pin_is_an_error(pocket: Corpus, tmp_path: Path) -> None:
    asv, _ = pocket.sources
    assert isinstance(asv, Source)
    wrong = asv.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(UserError) as error:
        build_corpus(pocket.model_copy(update={"sources": [asv, wrong]}), tmp_path)
    assert str(error.value).startswith(
        f"sources[1].sha256: expected {'0' * 64}, found {asv.sha256}: "
    )
    assert list(tmp_path.iterdir()) == []
