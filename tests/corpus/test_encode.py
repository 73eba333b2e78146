"""However a text is cut, the tokens are those of tiktoken's own functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseband.corpus import encode as module
from noiseband.corpus.encode import encode
from noiseband.corpus.vocabulary import END_OF_TEXT, load_ranks

WORDS = [
    *("a", "aaaa", "the", " ", "  ", "\n", "\t", "'", "'s", "'ll", "!", "!!!", "7", "42", "²"),
    *("漢字", "、", "é", "ก็", "😀", "\x1c", "\u2028", "\u00a0", "-", "_", END_OF_TEXT),
]


@pytest.fixture(scope="module")
def encodings(bpe: Path, gpt2: Path) -> list[tiktoken.Encoding]:
    return [load_ranks(bpe), load_ranks(gpt2)]


def ids(encoding: tiktoken.Encoding, texts: list[str], allow_special: bool = False) -> list[int]:
    return [i for array in encode(encoding, texts, allow_special) for i in array.tolist()]


def bare(encoding: tiktoken.Encoding, texts: list[str], allow_special: bool = False) -> list[int]:
    def one(text: str) -> list[int]:
        if allow_special:
            return encoding.encode(text, allowed_special="all")
        return encoding.encode_ordinary(text)

    return [i for text in texts for i in (*one(text), encoding.eot_token)]


TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS) | st.characters(codec="utf-8"), max_size=40).map("".join)
    | st.builds("".join, st.lists(st.sampled_from(["a", " "]), min_size=20, max_size=60)),
    max_size=4,
)


@given(TEXTS, st.sampled_from([2, 3, 5, 8, 20, 64]), st.booleans(), st.integers(0, 1))
@settings(max_examples=200, deadline=None)
def test_cuts_change_no_token(
    encodings: list[tiktoken.Encoding], texts: list[str], part: int, special: bool, which: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART", part)
        patch.setattr(module, "BATCH", 20)
        assert ids(encodings[which], texts, special) == bare(encodings[which], texts, special)


@pytest.mark.parametrize("unit", ["a", "ab", "!", "漢", "7", " ", "\n", "gkwx"])
def test_a_piece_longer_than_a_part_is_exact(
    encodings: list[tiktoken.Encoding], unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART", 100)
    texts = [unit * 997, f"word {unit * 500} word"]
    for encoding in encodings:
        assert ids(encoding, texts) == bare(encoding, texts)


def test_end_of_text_in_a_text_is_ordinary_unless_allowed(
    encodings: list[tiktoken.Encoding],
) -> None:
    gpt2 = encodings[1]
    text = f"a{END_OF_TEXT}b"
    assert ids(gpt2, [text]) == [64, 27, 91, 437, 1659, 5239, 91, 29, 65, 50256]
    assert ids(gpt2, [text], allow_special=True) == [64, 50256, 65, 50256]


def test_what_tiktoken_gives_up_on_is_encoded(encodings: list[tiktoken.Encoding]) -> None:
    """A million blanks before a letter overflow the stack of tiktoken's regular expressions."""
    text = " " * 1_100_000 + "x"
    with pytest.raises(ValueError, match="Regex error"):
        encodings[1].encode_to_numpy(text)
    # In GPT-2's vocabulary, blanks do not merge; the last one belongs to the letter's token.
    expected = [220] * 1_099_999 + encodings[1].encode_ordinary(" x") + [50256]
    assert ids(encodings[1], [text]) == expected


def test_a_long_text_of_words_is_cut_where_words_end(encodings: list[tiktoken.Encoding]) -> None:
    text = "It's one word, or two;  42 more\n" * 40_000  # more than two parts
    assert len(text) > 2 * module.PART
    arrays = list(encode(encodings[0], [text]))
    assert len(arrays) > 3
    assert np.concatenate(arrays).tolist() == bare(encodings[0], [text])
