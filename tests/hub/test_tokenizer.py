"""`tokenizers` gives the same ids as tiktoken, for GPT-2's vocabulary and for trained ones."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path

import pytest
import rustbpe
from hypothesis import given
from hypothesis import strategies as st
from tiktoken import Encoding
from tokenizers import Tokenizer

from noiseband.corpus.byte_names import byte_names
from noiseband.corpus.vocabulary import PATTERN, load_ranks
from noiseband.errors import UserError
from noiseband.hub.tokenizer import merged_from, write_tokenizer

TEXTS = [
    "In the beginning God created the heavens and the earth.\n" * 3,
    "aaaa aaa aa a   \n\n \t  trailing  ",
    "It's we'll I'M don't 'tis 12345 a1b2 3.14 x_y --- !!!???",
    "Grüße, Ω≈ç√ 漢字かな 한국어 עברית \u202eabc\u202c",
    "🙂🙂👩‍👩‍👧 \u0301e\u0301 \u00a0nbsp\u2028line\u2003em \x00\x7f \xad",
    "def f(x):\n\treturn x**2  # <|end of text|>\r\n",
    "",
    " ",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoding, Tokenizer]:
    """A vocabulary of 600 tokens, trained on this file's own text, in both forms."""
    bpe = rustbpe.Tokenizer()
    text = Path(__file__).read_text(encoding="utf-8")
    bpe.train_from_iterator(iter([text, *TEXTS]), 600, pattern=PATTERN)
    folder = tmp_path_factory.mktemp("trained")
    lines = (
        base64.b64encode(bytes(token)) + b" %d\n" % rank
        for token, rank in bpe.get_mergeable_ranks()
    )
    (folder / "vocabulary.tiktoken").write_bytes(b"".join(lines))
    assert write_tokenizer(folder / "vocabulary.tiktoken", 64, folder) == 600
    encoding = load_ranks(folder / "vocabulary.tiktoken")
    return encoding, Tokenizer.from_file(str(folder / "tokenizer.json"))


@given(st.one_of(st.text(), st.text("a 's1\n.é<"), st.lists(st.sampled_from(TEXTS)).map("".join)))
def test_any_text_gives_the_same_ids(trained: tuple[Encoding, Tokenizer], text: str) -> None:
    encoding, tokenizer = trained
    ids = tokenizer.encode(text).ids
    assert ids == encoding.encode_ordinary(text)
    assert tokenizer.decode(ids) == text


def test_gpt2(tmp_path: Path) -> None:
    file = resources.files("noiseband.corpus").joinpath("gpt2.tiktoken")
    with resources.as_file(file) as ranks:
        assert write_tokenizer(ranks, 1024, tmp_path) == 50256
        encoding = load_ranks(ranks)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    own = Path(__file__).read_text(encoding="utf-8").replace("<|endoftext|>", "")
    for text in [*TEXTS, own]:
        assert tokenizer.encode(text).ids == encoding.encode_ordinary(text)
    assert tokenizer.encode("a<|endoftext|>b").ids == [64, 50256, 65]
    assert tokenizer.decode([64, 50256]) == "a"
    # These ids and first merges are those in GPT-2's published files.
    assert tokenizer.encode("Hello world").ids == [15496, 995]
    assert tokenizer.token_to_id("Ġthe") == 262
    merges = [merged_from(encoding.decode_single_token_bytes(i), encoding._mergeable_ranks)
              for i in range(256, 260)]  # fmt: skip
    assert merges == [[b" ", b"t"], [b" ", b"a"], [b"h", b"e"], [b"i", b"n"]]


def test_every_byte_has_a_character_of_its_own() -> None:
    names = byte_names()
    assert len(set(names)) == 256
    assert names[ord("A")] == "A"
    assert (names[0x20], names[0x0A], names[0x00], names[0xAD]) == ("Ġ", "Ċ", "Ā", "Ń")
    assert not any(name.isspace() for name in names)


def test_ranks_that_are_no_merges(tmp_path: Path) -> None:
    tokens = [bytes([byte]) for byte in range(256)] + [b"abc"]
    lines = (base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))
    (tmp_path / "v").write_bytes(b"".join(lines))
    with pytest.raises(UserError, match=r"no two tokens before rank 256 merge to b'abc'"):
        write_tokenizer(tmp_path / "v", 64, tmp_path)
    assert not (tmp_path / "tokenizer.json").exists()
