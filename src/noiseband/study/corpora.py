"""Where text comes from and how it becomes tokens: the `corpora` section of a config file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from noiseband.study.recipe import Positive, Section, Sha256


class Source(Section):
    """Text carried by an installed Python package, read as files and never imported."""

    package: str
    """Distribution name."""
    version: str
    """Exact version; another one installed is an error."""
    reader: Literal["asv", "factbook"]
    """Which reader turns the package's files into documents."""
    sha256: Sha256
    """SHA-256 of the extracted documents, so that a changed package cannot pass unnoticed."""


class Tokenizer(Section):
    """A byte-level BPE vocabulary with one special token, end-of-text, as its last id."""

    kind: Literal["bpe", "gpt2"]
    """`bpe` is trained on the corpus's training split; `gpt2` is the published vocabulary."""
    vocabulary: Positive | None = None
    """Number of ids, end-of-text included; for `bpe` only (`gpt2` has 50,257)."""
    allow_special: bool = False
    """Whether "<|endoftext|>" in a document becomes the end-of-text token, as in the corpora of the
    published series, and not the tokens of those 13 characters."""

    @model_validator(mode="after")
    def _vocabulary_belongs_to_bpe(self) -> Tokenizer:
        if self.kind == "gpt2" and self.vocabulary is not None:
            raise ValueError("vocabulary belongs to kind 'bpe'; remove it ('gpt2' has 50257)")
        if self.kind == "bpe" and not 257 <= (self.vocabulary or 0) <= 65536:
            raise ValueError(
                f"vocabulary={self.vocabulary}: kind 'bpe' needs 257 (bytes and end-of-text) "
                "to 65536 (tokens are stored in 16 bits)"
            )
        return self

    @property
    def size(self) -> int:
        """Number of token ids, end-of-text included."""
        return self.vocabulary or 50257


class SplitTokens(Section):
    """Tokens in each split, end-of-text after every document included."""

    train: Positive
    """In the training split."""
    validation: Positive
    """In the validation split."""
    test: Positive
    """In the test split."""


class Documents(Section):
    """Documents from one or more sources in disjoint splits."""

    sources: Annotated[list[Source], Field(min_length=1)]
    """Where the documents come from."""
    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.03
    """Share of the documents held out for validation."""
    test: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Share of the documents held out for the test loss."""


class Corpus(Documents):
    """Documents and how they become tokens."""

    tokenizer: Tokenizer
    """How text becomes tokens."""
    tokens: SplitTokens | None = None
    """Pinned token counts: checked when tokenising, and used to refuse a run that reads too far."""

    def same_tokens(self, other: Corpus) -> bool:
        """Whether both make the same token files: they differ in pins at most."""
        return self.model_dump(exclude={"tokens"}) == other.model_dump(exclude={"tokens"})

    def same_ids(self, other: Corpus) -> bool:
        """Whether a token id stands for the same text in both."""
        return self.tokenizer.kind == other.tokenizer.kind == "gpt2" or self.same_tokens(other)
