"""Tokenizers in files: `tokenizer.json` of the library tokenizers, and models of SentencePiece."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from noiseband.study.problems import check_place, pinned
from noiseband.study.section import Section, Sha256

ENDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")
"""Tokens that end a document, if `end_of_text` does not name one: the first that a file has."""
Format = Literal["tokenizer.json", "sentencepiece"]
_FORMATS: dict[str, Format] = {".json": "tokenizer.json", ".model": "sentencepiece"}


class Facts(NamedTuple):
    """What a study needs to know of a tokenizer."""

    size: int
    """Number of token ids: one more than the largest."""
    end_of_text: int
    """Id of the token that ends each document."""


class FileTokenizer(Section):
    """A tokenizer of your own, in a file: a `tokenizer.json` of the library tokenizers, or a model
    of SentencePiece (`.model`). See [tokenizers](corpora.md#a-tokenizer-of-your-own)."""

    kind: Literal["file"]
    """`file` reads a `tokenizer.json` or a SentencePiece model."""
    path: Annotated[str, Field(min_length=1)] | None = None
    """The file, relative to the folder in which the study runs, if it is not on the Hub."""
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    """Repository of a model on the Hub, as owner/name."""
    revision: Annotated[str, Field(pattern=r"^[\w./-]+$")] | None = None
    """The repository's commit, 40 hex digits; with `unpinned`, also a branch or tag."""
    unpinned: bool = False
    """Whether `revision` may be a branch or tag, which can point to another commit tomorrow."""
    file: Annotated[str, Field(pattern=r"^[\w][\w./-]*$")] | None = None
    """With `repo`: the file in the repository; null means `tokenizer.json`."""
    sha256: Sha256 | None = None
    """SHA-256 of the file, checked if given."""
    end_of_text: Annotated[str, Field(min_length=1)] | None = None
    """Token that ends each document. Null means the end of a sentence in a SentencePiece model, and
    otherwise the first of `<|endoftext|>`, `<|end_of_text|>`, `</s>` and `<eos>` that the file has.
    """
    allow_special: bool = False
    """Whether the text of the end-of-text token becomes that token in a document, instead of being
    tokenised as ordinary characters. Other special tokens are always ordinary characters."""

    @model_validator(mode="after")
    def _one_place(self) -> FileTokenizer:
        check_place(self.repo, self.path, self.revision)
        if self.repo is None and (self.file is not None or self.unpinned):
            key = "file" if self.file is not None else "unpinned"
            raise ValueError(f"{key}: it needs `repo`; remove it")
        if ".." in (self.revision or "") or ".." in (self.file or "").split("/"):
            raise ValueError("revision and file are inside the repository; remove the `..`")
        if self.revision is not None and not (pinned(self.revision) or self.unpinned):
            raise ValueError(
                f"revision={self.revision} may move; give the commit's 40 hex digits (under "
                "History on the repository's page on the Hub), or set unpinned: true"
            )
        if Path(self.name).suffix not in _FORMATS:
            raise ValueError(
                f"{self.name}: not a tokenizer; name a file of the library tokenizers (.json) or "
                "of SentencePiece (.model)"
            )
        return self

    @property
    def name(self) -> str:
        """The name of the file, in its repository or on this machine."""
        return self.path or self.file or "tokenizer.json"

    @property
    def place(self) -> str:
        """The file, for messages."""
        return self.name if self.repo is None else f"{self.name} of {self.repo} at {self.revision}"

    @property
    def format(self) -> Format:
        """The library that reads the file."""
        return _FORMATS[Path(self.name).suffix]

    @property
    def facts(self) -> Facts | None:
        """What the file says; None if it is on the Hub, where a config does not look.

        Raises:
            ValueError: there is no such file, or it is not such a tokenizer.
        """
        if self.path is None:
            return None
        try:
            found = Path(self.path).stat()
        except OSError as error:
            raise ValueError(
                f"{error.strerror or error}; give a path relative to the folder in which the "
                "study runs"
            ) from None
        return _facts_of(self, found.st_mtime_ns, found.st_size)

    def read(self, content: bytes) -> Facts:
        """What a file with this content says.

        Raises:
            ValueError: it has another SHA-256, or is not such a tokenizer.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        if self.sha256 not in (None, sha256):
            raise ValueError(f"has SHA-256 {sha256}, not {self.sha256}; correct one of them")
        read: Callable[[bytes, str | None], Facts] = (
            _of_json if self.format == "tokenizer.json" else _of_sentencepiece
        )
        return read(content, self.end_of_text)


@cache
def _facts_of(tokenizer: FileTokenizer, changed: int, size: int) -> Facts:
    """The facts of a file in its state of now, which is read once."""
    assert tokenizer.path is not None
    return tokenizer.read(Path(tokenizer.path).read_bytes())


def _of_json(content: bytes, end: str | None) -> Facts:
    try:
        whole = json.loads(content)
        ids, dropout = ids_in(whole), whole["model"].get("dropout")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a file of the library tokenizers ({type(error).__name__})") from None
    if dropout:
        raise ValueError("model.dropout is not 0, so a text has other tokens each time; write null")
    if end is None:
        end = next((name for name in ENDS if name in ids), None)
        if end is None:
            raise ValueError(
                f"has none of the tokens {', '.join(ENDS)}; write end_of_text: the token that "
                "ends a document"
            )
    return Facts(max(ids.values()) + 1, _id_of(end, ids))


def ids_in(whole: Mapping[str, Any]) -> dict[str, int]:
    """The id of each token, those beside the model's vocabulary included."""
    model = whole["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):  # of a Unigram model: pairs of a token and its score
        vocabulary = {name: number for number, (name, _) in enumerate(vocabulary)}
    added = {one["content"]: one["id"] for one in whole.get("added_tokens") or []}
    if not (found := {**vocabulary, **added}):
        raise ValueError("no tokens")
    return found


def _of_sentencepiece(content: bytes, end: str | None) -> Facts:
    from sentencepiece import SentencePieceProcessor

    if not content:  # which the library takes for no file at all
        raise ValueError("not a model of SentencePiece")
    try:
        model = SentencePieceProcessor(model_proto=content)
    except RuntimeError:
        raise ValueError("not a model of SentencePiece") from None
    ids = {model.id_to_piece(one): one for one in range(model.get_piece_size())}
    if end is None and model.eos_id() < 0:
        raise ValueError(
            "has no end of a sentence (eos_id); write end_of_text: the token that ends a document"
        )
    return Facts(len(ids), model.eos_id() if end is None else _id_of(end, ids))


def _id_of(end: str, ids: Mapping[str, int]) -> int:
    if end not in ids:
        usual = ", ".join(name for name in ENDS if name in ids) or f"none of {', '.join(ENDS)}"
        raise ValueError(f"end_of_text={end}: has no such token; name one that it has ({usual})")
    return ids[end]
