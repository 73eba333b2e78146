"""Corpora of every kind on the page."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noiseband.io.files import write_json
from noiseband.report.page import environment
from noiseband.report.views.corpus import corpus
from tests.report.test_page import words_of
from tests.small_study import sha

SIZE = {"documents": 7, "bytes": 900, "tokens": 200}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"a/0.parquet": sha("0"), "a/1.parquet": sha("1")}


def shown(
    results: Path,
    card: dict[str, Any] | None,
    tokens: dict[str, Any],
    unit: str = "nats",
    measured_on: str | None = None,
) -> str:
    """The words of the page's section."""
    recipe = {"recipe": {"data": {"corpus": "text"}}}
    write_json(results / "runs/b/recipe.json", recipe)
    if card is not None:
        write_json(results / "corpus/text/card.json", card)
    splits = dict.fromkeys(("train", "validation", "test"), SIZE)
    basis = {"vocabulary": 50257, "splits": splits, "test_unigram_nats": 7.25}
    write_json(results / "tokens/text/card.json", {**basis, **tokens})
    found = corpus(results, "text", "b", 5.0, unit, measured_on)
    assert found is not None
    page = environment().get_template("corpus.html").render(
        corpora=[found],
        contamination=[],
        shares=[],
        params=SimpleNamespace(baseline="b", unit=unit),
        baseline_loss=5.0,
        provenance=SimpleNamespace(artefacts={}, judged={}),
    )  # fmt: skip
    return words_of(f"<main>{page}")


def test_files_of_the_hub(tmp_path: Path) -> None:
    source = {"repo": "some/text", "revision": COMMIT, "files": FILES, "documents": 21,
              "sha256": sha("text")}  # fmt: skip
    text = shown(tmp_path, {"sources": [source]}, {})
    assert f"some/text {COMMIT}21{sha('text')}2 filesa/0.parquet {sha('0')}a/1" in text
    assert "Sources. From corpus/text/card.json" in text
    assert "Splits, which share no document. From tokens/text/card.json" in text
    assert "reach 7.250000 nats on the test split" in text


def test_files_of_ones_own_as_read(tmp_path: Path) -> None:
    source = {"repo": None, "revision": None, "files": FILES, "documents": 21,
              "sha256": sha("text")}  # fmt: skip
    text = shown(tmp_path, {"order": "as-read", "sources": [source]}, {})
    assert "files of one’s own" in text
    assert "share no document" not in text  # not checked for imported tokens


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (("some/data", "sample-10BT", COMMIT), f"some/data: sample-10BT: train {COMMIT}21"),
        ((None, None, None), "a folder of one’s own: train 21"),
    ],
)
def test_rows_of_a_data_set(tmp_path: Path, found: tuple[str | None, ...], words: str) -> None:
    source = dict(zip(("dataset", "config", "revision"), found, strict=True)) | {
        "split": "train", "column": "text", "documents": 21, "sha256": sha("text"),
    }  # fmt: skip
    assert f"{words}{sha('text')}" in shown(tmp_path, {"sources": [source]}, {})


@pytest.mark.parametrize(
    ("measured_on", "compared"), [(None, True), ("text", True), ("other", False)]
)
def test_the_loss_is_compared_with_the_corpus_it_was_measured_on(
    tmp_path: Path, measured_on: str | None, compared: bool
) -> None:
    text = shown(tmp_path, {"sources": []}, {}, measured_on=measured_on)
    assert ("The baseline b ends at 5.000000: 2.250 nats below" in text) is compared


def test_a_mixture_s_loss_is_compared_with_the_corpus_it_was_measured_on(tmp_path: Path) -> None:
    write_json(tmp_path / "runs/b/recipe.json", {"recipe": {"data": {"corpus": "mixed"}}})
    write_json(tmp_path / "corpus/web/card.json", {"sources": []})
    test = {"documents": 7, "bytes": 900, "tokens": 200}
    tokens = {"vocabulary": 9, "splits": {"test": test}, "test_unigram_nats": 7.25}
    write_json(tmp_path / "tokens/web/card.json", tokens)
    found = corpus(tmp_path, "web", "b", 5.0, "nats", "web")
    assert found is not None and found.gain == 2.25


@pytest.mark.parametrize("old", [None, {"sources": []}])
def test_tokens_that_others_made(tmp_path: Path, old: dict[str, Any] | None) -> None:
    source = {"repo": "some/tokens", "revision": "main", "files": FILES, "documents": 21}
    text = shown(tmp_path, old, {"sources": [source]})
    assert "some/tokens main212 filesa/0.parquet" in text
    assert "Sources. From tokens/text/card.json" in text
    assert "share no document" not in text


def test_a_card_that_is_not_there(tmp_path: Path) -> None:
    write_json(tmp_path / "tokens/text/card.json", {"splits": {}})
    assert corpus(tmp_path, "text", "b", None) is None


def test_a_study_in_bits_per_byte_shows_no_nats(tmp_path: Path) -> None:
    source = {"repo": "some/text", "revision": COMMIT, "files": FILES, "documents": 21,
              "sha256": sha("text")}  # fmt: skip
    text = shown(tmp_path, {"sources": [source]}, {}, "bits per byte")
    # 7.25 nats for each of 200 tokens, over 900 bytes.
    unigram = 7.25 * 200 / 900 / math.log(2)
    assert f"reach {unigram:.6f} bits per byte on the test split" in text and "nats" not in text


def test_text_that_the_tokenizer_loses_is_told(tmp_path: Path) -> None:
    splits = {"train": SIZE | {"unknown": 2, "changed": 3}, "validation": SIZE, "test": SIZE}
    text = shown(tmp_path, {"sources": []}, {"splits": splits})
    assert "Of the 7 documents of train, the tokenizer does not know text in 2, which is" in text
    assert "is lost, and changes 3: they are not what their tokens decode to" in text
    assert text.count("the tokenizer") == 1


def test_bytes_that_are_not_known_are_not_shown(tmp_path: Path) -> None:
    source = {"repo": "some/text", "revision": COMMIT, "files": FILES, "documents": 21,
              "sha256": sha("text")}  # fmt: skip
    size = {"documents": 7, "tokens": 200}
    splits = {split: size for split in ("train", "validation", "test")}  # noqa: C420
    assert "train7200–" in shown(tmp_path, None, {"sources": [source], "splits": splits})
