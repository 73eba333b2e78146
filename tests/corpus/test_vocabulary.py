from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiktoken
import tiktoken_ext.openai_public as published  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseband.corpus.vocabulary import (
    GPT2_SHA256,
    PATTERN,
    build_vocabulary,
    copy_vocabulary,
    gpt2_ranks,
    load_ranks,
)
from noiseband.errors import UserError
from noiseband.io.files import write_jsonl
from noiseband.study.tokenizers import Tokenizer

TEXT = st.text() | st.text("ab \n’é日<|>endoftx0")


@pytest.fixture(scope="module")
def encodings(bpe: Path, gpt2: Path) -> dict[str, tiktoken.Encoding]:
    return {"bpe": load_ranks(bpe), "gpt2": load_ranks(gpt2)}


def test_gpt2_is_the_published_vocabulary(gpt2: Path) -> None:
    encoding = load_ranks(gpt2)
    assert encoding.encode_ordinary("Every effort moves you") == [6109, 3626, 6100, 345]
    assert (encoding.n_vocab, encoding.eot_token) == (50257, 50256)
    assert hashlib.sha256(gpt2.read_bytes()).hexdigest() == GPT2_SHA256


def test_hash_and_pattern_are_those_that_tiktoken_pins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pinned = {}

    def load(url: str, expected_hash: str) -> dict[bytes, int]:
        pinned[url.rsplit("/", 1)[-1]] = expected_hash
        return {}

    monkeypatch.setattr(published, "load_tiktoken_bpe", load)
    r50k_base = published.r50k_base()
    assert pinned == {"r50k_base.tiktoken": GPT2_SHA256}
    assert r50k_base["pat_str"] == PATTERN
    assert r50k_base["special_tokens"] == {"<|endoftext|>": 50256}


def test_another_corpus_takes_the_file_as_it_is(bpe: Path, tmp_path: Path) -> None:
    copy_vocabulary(Tokenizer(kind="bpe", vocabulary=4096), bpe, tmp_path / "mine.tiktoken")
    assert (tmp_path / "mine.tiktoken").read_bytes() == bpe.read_bytes()
    with pytest.raises(UserError, match=r"has 4,096 ids, but .* a corpus with 512; remove it"):
        copy_vocabulary(Tokenizer(kind="bpe", vocabulary=512), bpe, tmp_path / "other.tiktoken")
    assert not (tmp_path / "other.tiktoken").exists()


def test_a_damaged_installation_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gpt2.tiktoken").write_bytes(gpt2_ranks().replace(b"IQ== 0", b"IQ== 1"))
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    with pytest.raises(UserError, match=r"gpt2\.tiktoken: expected SHA-256 306cd27f.*, found "):
        build_vocabulary(Tokenizer(kind="gpt2"), None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bpe_has_the_size_asked_for_and_end_of_text_last(bpe: Path) -> None:
    encoding = load_ranks(bpe)
    assert (encoding.n_vocab, encoding.eot_token) == (4096, 4095)
    assert encoding.decode([4095]) == "<|endoftext|>"
    # The vocabulary was trained on this text, so its most common words are single tokens.
    assert len(encoding.encode_ordinary(" Jehovah government")) == 2


def test_every_trained_token_can_be_used(encodings: dict[str, tiktoken.Encoding]) -> None:
    # A token that the pattern cuts in two cannot be used. Training with another pattern could
    # give such tokens.
    encoding = encodings["bpe"]
    for rank in range(encoding.eot_token):
        token = encoding.decode_single_token_bytes(rank)
        if token.isascii():
            assert encoding.encode_ordinary(token.decode()) == [rank]


@pytest.mark.parametrize("kind", ["bpe", "gpt2"])
@given(text=TEXT)
@settings(max_examples=150, deadline=None)
def test_any_text_comes_back(kind: str, text: str, encodings: dict[str, tiktoken.Encoding]) -> None:
    encoding = encodings[kind]
    ids = encoding.encode_ordinary(text)
    assert encoding.decode(ids) == text
    assert encoding.eot_token not in ids


def test_quoted_end_of_text_is_ordinary_text(bpe: Path) -> None:
    encoding = load_ranks(bpe)
    ids = encoding.encode_ordinary("a <|endoftext|> b")
    assert encoding.eot_token not in ids
    assert encoding.decode(ids) == "a <|endoftext|> b"


@pytest.mark.parametrize("threads", ["1", "2"])
def test_training_gives_the_same_bytes_with_any_number_of_threads(
    threads: str, bpe: Path, corpus: Path, tmp_path: Path
) -> None:
    program = (
        "import sys, pathlib\n"
        "from noiseband.corpus.vocabulary import build_vocabulary\n"
        "from noiseband.study.corpora import Tokenizer\n"
        "corpus, out = map(pathlib.Path, sys.argv[1:])\n"
        "build_vocabulary(Tokenizer(kind='bpe', vocabulary=4096), corpus / 'train.jsonl', out)\n"
        "assert 'torch' not in sys.modules, 'slow to start'\n"
    )
    out = tmp_path / "vocabulary.tiktoken"
    environment = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
    command = [sys.executable, "-c", program, str(corpus), str(out)]
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert out.read_bytes() == bpe.read_bytes()


def test_too_little_text_is_an_error(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"id": "1", "text": "abc abc"}])
    with pytest.raises(UserError, match=r"tokenizer.vocabulary: 300 ids are .* at most 260;"):
        build_vocabulary(
            Tokenizer(kind="bpe", vocabulary=300), tmp_path / "train.jsonl", tmp_path / "out"
        )
    build_vocabulary(
        Tokenizer(kind="bpe", vocabulary=260), tmp_path / "train.jsonl", tmp_path / "out"
    )
    assert load_ranks(tmp_path / "out").n_vocab == 260


@pytest.mark.parametrize(
    "damage",
    [
        lambda ranks: b"",
        lambda ranks: b"\xff\xfe not ranks at all\n",
        lambda ranks: ranks.replace(b" 300\n", b" 301\n"),
        lambda ranks: ranks.replace(b" 300\n", b"\n"),
        lambda ranks: ranks.split(b"\n", 1)[1],
        lambda ranks: b"!" + ranks,
        lambda ranks: ranks[: len(ranks) // 2],
    ],
)
def test_a_damaged_rank_file_is_an_error(damage: object, bpe: Path, tmp_path: Path) -> None:
    assert callable(damage)
    (tmp_path / "x.tiktoken").write_bytes(damage(bpe.read_bytes()))
    with pytest.raises(UserError, match=r"x\.tiktoken: .*rebuild the vocabulary"):
        load_ranks(tmp_path / "x.tiktoken")
