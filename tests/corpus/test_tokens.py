from __future__ import annotations

import hashlib
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from noiseband.corpus.documents import SPLITS, read_documents
from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.tokens import tokenize, unigram_entropy
from noiseband.corpus.vocabulary import load_encoding
from noiseband.errors import UserError
from noiseband.io.files import read_json, write_jsonl
from noiseband.study.corpora import SplitTokens

PINNED = SplitTokens(train=1_898_883, validation=62_702, test=106_147)


@pytest.fixture(scope="module")
def tokens(corpus: Path, bpe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    tokenize(corpus, bpe, PINNED, folder)
    return folder


def test_tokens_decode_to_the_documents(tokens: Path, corpus: Path, bpe: Path) -> None:
    encoding = load_encoding(bpe)
    texts = [document.text for document in read_documents(corpus / "validation.jsonl")]
    ids = open_tokens(tokens / "validation.safetensors")
    assert encoding.decode(ids.tolist()) == "".join(f"{text}<|endoftext|>" for text in texts)
    assert np.count_nonzero(ids == encoding.eot_token) == len(texts)
    assert ids[-1] == encoding.eot_token


def test_files_are_plain_safetensors(tokens: Path) -> None:
    for split in SPLITS:
        path = tokens / f"{split}.safetensors"
        (tensor,) = load_file(path).items()
        assert tensor[0] == "tokens"
        assert tensor[1].dtype == np.uint16
        np.testing.assert_array_equal(tensor[1], open_tokens(path))


def test_the_card_counts_what_was_written(tokens: Path, corpus: Path, bpe: Path) -> None:
    card = read_json(tokens / "card.json")
    sizes = read_json(corpus / "card.json")["splits"]
    for split in SPLITS:
        assert card["splits"][split] == {
            "documents": sizes[split]["documents"],
            "bytes": sizes[split]["bytes"],
            "tokens": len(open_tokens(tokens / f"{split}.safetensors")),
        }
    assert card["vocabulary"] == 4096
    assert card["vocabulary_sha256"] == hashlib.sha256(bpe.read_bytes()).hexdigest()
    assert card["test_unigram_nats"] == 6.664439


def test_other_counts_than_pinned_are_an_error(corpus: Path, bpe: Path, tmp_path: Path) -> None:
    wrong = PINNED.model_copy(update={"validation": 5, "test": 6})
    with pytest.raises(UserError) as error:
        tokenize(corpus, bpe, wrong, tmp_path)
    assert str(error.value).startswith(
        "tokens.validation: pinned 5, found 62702; tokens.test: pinned 6, found 106147; "
    )
    assert not (tmp_path / "card.json").exists()


def test_without_pins_any_counts_are_right(bpe: Path, tmp_path: Path) -> None:
    for split in SPLITS:
        write_jsonl(tmp_path / f"{split}.jsonl", [{"id": split, "text": ""}])
    tokenize(tmp_path, bpe, None, tmp_path / "out")
    assert open_tokens(tmp_path / "out" / "train.safetensors").tolist() == [4095]
    assert read_json(tmp_path / "out" / "card.json")["test_unigram_nats"] == 0


def test_quoted_end_of_text_ends_no_document(bpe: Path, tmp_path: Path) -> None:
    for split in SPLITS:
        write_jsonl(tmp_path / f"{split}.jsonl", [{"id": "1", "text": "a<|endoftext|>b"}])
    tokenize(tmp_path, bpe, None, tmp_path / "out")
    ids = open_tokens(tmp_path / "out" / "train.safetensors").tolist()
    assert ids.index(4095) == len(ids) - 1


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=100))
@settings(max_examples=100, deadline=None)
def test_unigram_entropy_is_the_textbook_sum(values: list[int]) -> None:
    counts = Counter(values)
    shares = [count / len(values) for count in counts.values()]
    expected = -sum(share * math.log(share) for share in shares)
    assert abs(unigram_entropy([np.array(values, dtype=np.uint16)]) - expected) < 1e-6


def test_unigram_entropy_of_equal_shares_is_the_logarithm_of_their_number() -> None:
    # Each chunk has other tokens.
    ids = np.repeat(np.arange(8, dtype=np.uint16), 2**18)
    assert unigram_entropy(np.split(ids, 4)) == round(math.log(8), 6)
