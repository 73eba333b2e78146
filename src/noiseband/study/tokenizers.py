"""The tokenizer of a corpus: of its own, in a file, or that of another corpus."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag, model_validator

from noiseband.study.section import Positive, Section
from noiseband.study.tokenizer_files import Facts, FileTokenizer


class Tokenizer(Section):
    """A byte-level BPE vocabulary with one special token, end-of-text, as its last id."""

    kind: Literal["bpe", "gpt2"]
    """`bpe` is trained on the corpus's training split; `gpt2` is the published vocabulary; `file`
    is a tokenizer of your own."""
    vocabulary: Positive | None = None
    """Number of token ids including end-of-text, for `bpe` only (`gpt2` has 50,257)."""
    allow_special: bool = False
    """Whether "<|endoftext|>" in a document becomes the end-of-text token, as in the corpora of the
    published series, instead of being tokenised as 13 ordinary characters."""

    @model_validator(mode="after")
    def _vocabulary_belongs_to_bpe(self) -> Tokenizer:
        if self.kind == "gpt2" and self.vocabulary is not None:
            raise ValueError("vocabulary is only for kind 'bpe'; remove it ('gpt2' has 50257)")
        if self.kind == "bpe" and not 257 <= (self.vocabulary or 0) <= 2**31:
            raise ValueError(
                f"vocabulary={self.vocabulary}: kind 'bpe' needs 257 (bytes and end-of-text) or "
                "more, up to 2147483648"
            )
        return self

    @property
    def size(self) -> int:
        """Number of token ids, including end-of-text."""
        return self.vocabulary or 50257

    @property
    def facts(self) -> Facts:
        """What a study needs to know of it."""
        return Facts(self.size, self.size - 1)


class SharedTokenizer(Section):
    """The vocabulary of another corpus, so that token ids mean the same text in both."""

    like: str
    """Name of that corpus, whose vocabulary is its own."""
    allow_special: bool = False
    """As for a tokenizer of its own."""


OwnTokenizer = Tokenizer | FileTokenizer
"""A tokenizer that is not another corpus's."""


def _tokenizer_kind(value: Any) -> str:
    keys = value if isinstance(value, dict) else {}
    if "like" in keys or isinstance(value, SharedTokenizer):
        return "of another corpus"
    in_file = keys.get("kind") == "file" or isinstance(value, FileTokenizer)
    return "in a file" if in_file else "of its own"


AnyTokenizer = Annotated[
    Annotated[Tokenizer, Tag("of its own")]
    | Annotated[FileTokenizer, Tag("in a file")]
    | Annotated[SharedTokenizer, Tag("of another corpus")],
    Discriminator(_tokenizer_kind),
]
