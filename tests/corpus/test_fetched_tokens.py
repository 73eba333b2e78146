"""Ready-made token files, from the Hub and from a folder."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from noiseband.corpus.documents import SPLITS
from noiseband.corpus.fetched_tokens import fetch_tokens
from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.tokens import tokenize, unigram_entropy
from noiseband.corpus.vocabulary import load_encoding
from noiseband.errors import UserError
from noiseband.io.checksums import CHECKSUMS
from noiseband.io.files import read_json, write_jsonl
from noiseband.study.corpora import SplitTokens, Tokenised
from noiseband.study.data_params import FetchTokensParams
from tests.hub.server import COMMIT, Fault, Hub

TEXTS = {
    "train": ["first words", "", "more of them é", "<|endoftext|>"],
    "validation": ["kept"],
    "test": ["held out", "ends"],
}


@pytest.fixture
def made(tmp_path: Path, vocabulary: Path) -> Path:
    """A folder of token files as this package writes them, with a vocabulary of bytes."""
    for split, texts in TEXTS.items():
        rows = ({"id": str(i), "text": text} for i, text in enumerate(texts))
        write_jsonl(tmp_path / f"text/{split}.jsonl", rows)
    tokenize(tmp_path / "text", vocabulary, None, tmp_path / "made")
    shutil.rmtree(tmp_path / "made" / CHECKSUMS)  # Token files of others have none.
    return tmp_path / "made"


@pytest.fixture
def published(hub: Hub, made: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub.add_folder("datasets/some/tokens", made)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub._tree_cache._IN_MEMORY_TREE_CACHE", {})
    return hub


def params(tokens: SplitTokens | None = None, **source: Any) -> FetchTokensParams:
    files = {f"{split}": f"{split}.safetensors" for split in SPLITS}
    return FetchTokensParams(tokenised=Tokenised(**{**files, **source}), tokens=tokens)


def from_hub(tokens: SplitTokens | None = None, **source: Any) -> FetchTokensParams:
    return params(tokens, **{"repo": "some/tokens", "revision": COMMIT, **source})


def refused(out: Path, call: Callable[[], object]) -> str:
    """The message of a fetch that fails and leaves no files."""
    with pytest.raises(UserError) as error:
        call()
    assert not [*out.glob("*")]
    message = str(error.value)
    assert "\n" not in message
    return message


def test_they_are_what_tokenizing_would_have_made(
    published: Hub, made: Path, tmp_path: Path, vocabulary: Path
) -> None:
    out = tmp_path / "out"
    fetch_tokens(from_hub(), vocabulary, out)
    for split in SPLITS:
        name = f"{split}.safetensors"
        assert (out / name).read_bytes() == (made / name).read_bytes()
        # A hard link to the client's file, which takes no space on the disk.
        assert (out / name).stat().st_nlink == 2
        assert not (out / name).is_symlink()
    card, theirs = read_json(out / "card.json"), read_json(made / "card.json")
    (source,) = card.pop("sources")
    assert card == theirs
    assert source == {
        "repo": "some/tokens",
        "revision": COMMIT,
        "splits": {split: f"{split}.safetensors" for split in SPLITS},
        "files": {
            f"{split}.safetensors": hashlib.sha256(
                (made / f"{split}.safetensors").read_bytes()
            ).hexdigest()
            for split in sorted(SPLITS)
        },
        "documents": sum(map(len, TEXTS.values())),
    }


def test_a_folder_gives_the_same_and_keeps_its_own_files(
    published: Hub, made: Path, tmp_path: Path, vocabulary: Path
) -> None:
    fetch_tokens(from_hub(), vocabulary, tmp_path / "there")
    fetch_tokens(params(path=str(made)), vocabulary, tmp_path / "here")
    for split in SPLITS:
        name = f"{split}.safetensors"
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
        assert not (tmp_path / "here" / name).samefile(made / name)
    here, there = (read_json(tmp_path / one / "card.json") for one in ("here", "there"))
    here["sources"][0] |= {"repo": "some/tokens", "revision": COMMIT}
    assert here == there


def test_no_validation_is_a_split_without_tokens(
    made: Path, tmp_path: Path, vocabulary: Path
) -> None:
    pins = SplitTokens(train=43, validation=0, test=14)
    out = tmp_path / "out"
    fetch_tokens(params(pins, path=str(made), validation=None), vocabulary, out)
    assert len(open_tokens(out / "validation.safetensors")) == 0
    assert load_file(out / "validation.safetensors")["tokens"].dtype == np.uint16
    card = read_json(out / "card.json")
    assert card["splits"]["validation"] == {"documents": 0, "bytes": 0, "tokens": 0}
    assert card["test_unigram_nats"] == unigram_entropy([open_tokens(out / "test.safetensors")])


def test_other_token_counts_than_pinned(made: Path, tmp_path: Path, vocabulary: Path) -> None:
    pins = SplitTokens(train=44, validation=5, test=13)
    message = refused(
        tmp_path / "out",
        lambda: fetch_tokens(params(pins, path=str(made)), vocabulary, tmp_path / "out"),
    )
    assert "tokens.train: pinned 44, found 43; tokens.test: pinned 13, found 14" in message


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"tokens": np.zeros(9, np.int64)}, "not a safetensors file with one 1-D U16 or I32"),
        ({"tokens": np.zeros((3, 3), np.uint16)}, "not a safetensors file with one 1-D U16 or"),
        ({"ids": np.zeros(9, np.uint16)}, "not a safetensors file with one 1-D U16 or I32 tensor"),
        (
            {"tokens": np.array([1, -1, 256], np.int32)},
            "contains id 4294967295, but the vocabulary has ids 0 to 256; use a file with this",
        ),
        (
            {"tokens": np.array([1, 256, 257, 3, 1000, 256], np.uint16)},
            "contains id 1000, but the vocabulary has ids 0 to 256; use a file with this",
        ),
    ],
    ids=["type", "shape", "name", "negative", "id"],
)
def test_files_that_are_no_such_tokens(
    made: Path, tmp_path: Path, vocabulary: Path, tensors: dict[str, Any], said: str
) -> None:
    save_file(tensors, made / "test.safetensors")
    message = refused(
        tmp_path / "out",
        lambda: fetch_tokens(params(path=str(made)), vocabulary, tmp_path / "out"),
    )
    assert message.startswith(f"test.safetensors of {made}: ")
    assert said in message


def test_an_id_far_into_the_file_is_seen(
    made: Path, tmp_path: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noiseband.corpus.fetched_tokens.CHUNK", 100)
    tokens = np.full(1050, 256, np.uint16)
    save_file({"tokens": tokens}, made / "train.safetensors")
    given = params(path=str(made))
    fetch_tokens(given, vocabulary, tmp_path / "good")
    assert read_json(tmp_path / "good/card.json")["splits"]["train"]["documents"] == 1050
    tokens[-1] = 257
    save_file({"tokens": tokens}, made / "train.safetensors")
    message = refused(tmp_path / "out", lambda: fetch_tokens(given, vocabulary, tmp_path / "out"))
    assert "contains id 257" in message


def test_a_file_that_is_not_there(published: Hub, tmp_path: Path, vocabulary: Path) -> None:
    out = tmp_path / "out"
    given = from_hub(train="all.safetensors")
    message = refused(out, lambda: fetch_tokens(given, vocabulary, out))
    assert "no file matches all.safetensors; it has card.json, test.safetensors, " in message


def test_a_download_that_fails_leaves_nothing(
    published: Hub, tmp_path: Path, vocabulary: Path
) -> None:
    out = tmp_path / "out"
    published.faults.append(Fault("GET", times=10_000, path="train.safetensors"))
    message = refused(out, lambda: fetch_tokens(from_hub(), vocabulary, out))
    assert "the download broke off" in message
    published.faults.clear()
    fetch_tokens(from_hub(), vocabulary, out)
    held_out = open_tokens(out / "test.safetensors").tolist()
    assert load_encoding(vocabulary).decode(held_out[:8]) == "held out"


def test_another_digest_than_pinned(published: Hub, tmp_path: Path, vocabulary: Path) -> None:
    out, given = tmp_path / "out", from_hub(sha256={"test.safetensors": "0" * 64})
    message = refused(out, lambda: fetch_tokens(given, vocabulary, out))
    assert f"test.safetensors of some/tokens at {COMMIT} has SHA-256 " in message
