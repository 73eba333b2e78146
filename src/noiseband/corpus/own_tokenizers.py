"""Tokenizers of the user's own, in the form in which a study keeps them and with tiktoken's words.

The vocabulary of such a corpus is one file: a line of JSON with its format and the id of
end-of-text, and then the bytes of the user's file as they are. So no later job needs that file.

What can be promised depends on the tokenizer. Ids are those of its library, for each document as a
whole. Not every tokenizer keeps the whole text: one may lower its letters, or put one blank for
several. Then the decoded text of a model is what the tokenizer makes of its ids, and the bytes of a
text are counted in the text itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tokenizers
from numpy.typing import NDArray
from sentencepiece import SentencePieceProcessor

from noiseband.corpus.byte_names import byte_names
from noiseband.errors import UserError
from noiseband.io.files import atomic
from noiseband.study.tokenizer_files import FileTokenizer, Format, ids_in

SPECIAL_IN_TEXT = (
    "a document has the text of the end-of-text token {}, which this tokenizer takes for the token "
    "itself; mark it as special in the file, name another end_of_text, or set allow_special: true"
)


Change = Literal["unknown", "changed"] | None
"""Why the ids of a document do not decode to its text: it has text that the tokenizer does not
know, or it is only written in another way, such as in small letters. None if they do."""


class Kept(NamedTuple):
    """A tokenizer as a study keeps it."""

    format: Format
    end_of_text: int
    size: int
    """Number of token ids."""
    content: bytes
    """The user's file."""


def write_kept(tokenizer: FileTokenizer, source: Path, out: Path) -> None:
    """Write the tokenizer's file `source` to `out` in the form in which a study keeps it.

    Raises UserError if the file has another SHA-256, is not such a tokenizer or has no end-of-text.
    """
    content = source.read_bytes()
    try:
        facts = tokenizer.read(content)
    except ValueError as error:
        raise UserError(f"tokenizer {tokenizer.place}: {error}") from None
    kept = Kept(tokenizer.format, facts.end_of_text, facts.size, content)
    library = _opened(kept, tokenizer.place)
    odd = isinstance(library, _Json) and library.tokenizer.get_vocab() != ids_in(library.whole)
    if odd or library.size != kept.size:
        raise UserError(
            f"tokenizer {tokenizer.place}: the library reads {library.size} ids, and others than "
            f"the file has for its tokens, 0 to {kept.size - 1}; number them without gaps"
        )
    head = {"format": kept.format, "end_of_text": kept.end_of_text, "size": kept.size}
    with atomic(out) as temporary:
        temporary.write_bytes(json.dumps(head).encode() + b"\n" + content)


def read_kept(content: bytes, path: Path) -> Kept:
    """Read a file that `write_kept` wrote. Raises UserError if it is not one."""
    line, _, rest = content.partition(b"\n")
    try:
        return Kept(content=rest, **json.loads(line))
    except (ValueError, TypeError):
        raise UserError(f"{path}: not a vocabulary; remove it and make it again") from None


class OwnEncoding:
    """A tokenizer of the user's own, with the methods of `tiktoken.Encoding` that noiseband uses.

    Its texts are encoded without the tokens that a tokenizer would put around them.
    """

    def __init__(self, kept: Kept, place: str) -> None:
        """Raises UserError if the library cannot read the file; `place` is its name."""
        self.kept = kept
        self.n_vocab, self.eot_token = kept.size, kept.end_of_text
        self._library = _opened(kept, place)

    @property
    def version(self) -> str:
        """The library and its version."""
        name = "tokenizers" if self.kept.format == "tokenizer.json" else "sentencepiece"
        return f"{name} {metadata.version(name)}"

    @cached_property
    def end_of_text(self) -> str:
        """The text of the end-of-text token."""
        return self._library.name(self.eot_token)

    @property
    def unknown(self) -> str:
        """The piece for what a SentencePiece model has no piece for."""
        assert isinstance(self._library, _SentencePiece)
        return self._library.name(self._library.unknown)

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text, without end-of-text.

        Raises UserError if the text has the end-of-text token's own text and the tokenizer takes it
        for the token.
        """
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of several texts, as `encode_ordinary` encodes each. Other threads can run."""
        found = self._library.encode(texts)
        if any(self.eot_token in ids for ids in found):
            raise UserError(SPECIAL_IN_TEXT.format(self.end_of_text))
        return found

    def decode(self, tokens: Sequence[int]) -> str:
        """The text that these ids add to another one, with end-of-text as its token's own text.

        A blank in front of the first word stays, which some tokenizers leave out at the beginning
        of a text.
        """
        first, *others = self._documents(tokens)
        before = self._before
        whole, known = self._library.decode([*before, *first]), self._library.decode(before)
        text = whole.removeprefix(known) if whole.startswith(known) else self._library.decode(first)
        return self.end_of_text.join([text, *map(self._library.decode, others)])

    def change(self, text: str, ids: Sequence[int]) -> Change:
        """What is lost of a document whose ids, with end-of-text at the end, are these."""
        if self.token_bytes is not None:
            return None
        parts = self._documents(ids[:-1])
        texts = [text] if len(parts) == 1 else text.split(self.end_of_text)
        found = [self._library.decode(part) for part in parts]
        # Some decoders leave the blank that the tokenizer puts in front of a text.
        if all(one in (own, f" {own}") for one, own in zip(found, texts, strict=True)):
            return None
        return "unknown" if self._library.unknown in ids else "changed"

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """The bytes of `decode`'s text; a text may begin and end within a character if each id
        stands for bytes."""
        spellings = self._library.spellings
        if spellings is None:
            return self.decode(tokens).encode()
        return b"".join(map(spellings.__getitem__, tokens))

    def _documents(self, tokens: Sequence[int]) -> list[list[int]]:
        """The ids between ends of text."""
        found: list[list[int]] = [[]]
        for id in tokens:
            if id == self.eot_token:
                found.append([])
            else:
                found[-1].append(id)
        return found

    @cached_property
    def _before(self) -> list[int]:
        """The ids of a text that `decode` puts in front."""
        return self.encode_ordinary("a")

    @cached_property
    def token_bytes(self) -> NDArray[np.int64] | None:
        """The number of bytes of each id, (n_vocab,), if each stands for bytes of the text and
        nothing of it is lost; otherwise None. End-of-text has no bytes."""
        spellings = self._library.spellings
        if spellings is None:
            return None
        found = np.zeros(self.n_vocab, np.int64)
        for id, spelled in spellings.items():
            found[id] = len(spelled)
        found[self.eot_token] = 0
        return found


class _Json:
    """A tokenizer of the library tokenizers."""

    def __init__(self, content: bytes) -> None:
        # Threads are noiseband's own, as many as a job may have.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self.tokenizer = tokenizers.Tokenizer.from_buffer(content)
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        # Special tokens in a text are text.
        self.tokenizer.encode_special_tokens = True
        self.whole = json.loads(content)

    @property
    def size(self) -> int:
        return self.tokenizer.get_vocab_size()

    def name(self, id: int) -> str:
        return str(self.tokenizer.id_to_token(id))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        found = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [one.ids for one in found]

    def decode(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(list(tokens), skip_special_tokens=False)

    @cached_property
    def unknown(self) -> int | None:
        """Id for what the tokenizer does not know; None if it has none."""
        model = self.whole["model"]
        if model.get("unk_id") is not None:  # of a Unigram model
            return int(model["unk_id"])
        name = model.get("unk_token")
        return None if name is None else self.tokenizer.token_to_id(name)

    @cached_property
    def spellings(self) -> dict[int, bytes] | None:
        """The bytes of each id of a byte-level BPE that has all 256 bytes; otherwise None.

        A token is written with a character for a byte, as in GPT-2's vocabulary; one that was added
        is written as it is.
        """
        if not self._is_exact():
            return None
        byte_of = {name: bytes([byte]) for byte, name in enumerate(byte_names())}
        added = {one["id"]: one["content"].encode() for one in self.whole.get("added_tokens") or []}
        vocabulary: dict[str, int] = self.whole["model"]["vocab"]
        found = {
            id: b"".join(byte_of.get(one) or one.encode() for one in name)
            for name, id in vocabulary.items()
            if id not in added
        }
        return found | added

    def _is_exact(self) -> bool:
        """Whether the ids of any text stand for its bytes, of which none is lost."""
        whole, model = self.whole, self.whole["model"]
        return (
            model.get("type", "BPE") == "BPE"
            and not (model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"))
            and whole.get("normalizer") is None
            and _is_byte_level(whole.get("pre_tokenizer"))
            and all(name in model["vocab"] for name in byte_names())
            and not any(one["lstrip"] or one["rstrip"] for one in whole.get("added_tokens") or [])
        )


def _is_byte_level(split: dict[str, Any] | None) -> bool:
    """Whether a text is only cut, and its bytes are written as characters at the end."""
    if split is None:
        return False
    *before, last = split["pretokenizers"] if split["type"] == "Sequence" else [split]
    return (
        last["type"] == "ByteLevel"
        and not last.get("add_prefix_space", True)
        and all(
            one["type"] in ("Split", "Digits", "Punctuation")
            and one.get("behavior", "Isolated") != "Removed"
            for one in before
        )
    )


class _SentencePiece:
    """A model of SentencePiece."""

    def __init__(self, content: bytes) -> None:
        self.model = SentencePieceProcessor(model_proto=content)

    @property
    def size(self) -> int:
        return int(self.model.get_piece_size())

    @property
    def unknown(self) -> int:
        """Id for what the model has no piece for."""
        return int(self.model.unk_id())

    def name(self, id: int) -> str:
        return str(self.model.id_to_piece(id))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.model.encode(text, out_type=int) for text in texts]

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.model.decode(list(tokens)))

    @property
    def spellings(self) -> None:
        """None: SentencePiece may change characters, and puts a blank in front of a text."""


def _opened(kept: Kept, place: str) -> _Json | _SentencePiece:
    try:
        return (
            _Json(kept.content) if kept.format == "tokenizer.json" else _SentencePiece(kept.content)
        )
    # The library's own errors are plain exceptions.
    except Exception as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{place}: its library cannot read it ({said})") from None


def encode_documents(
    encoding: OwnEncoding, texts: Sequence[str], allow_special: bool
) -> Iterator[list[int]]:
    """Yield the ids of each text, with end-of-text after it.

    The text of the end-of-text token is ordinary text, or end-of-text if `allow_special` is true.
    """
    if not allow_special:
        for ids in encoding.encode_all(texts):
            yield [*ids, encoding.eot_token]
        return
    for text in texts:
        parts = encoding.encode_all(text.split(encoding.end_of_text))
        yield [id for ids in parts for id in (*ids, encoding.eot_token)]
