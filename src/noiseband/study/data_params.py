"""Params of the rules that make corpora, vocabularies, tokens and instructions."""

from __future__ import annotations

from typing import Annotated, Literal

from noiseband.study.corpora import (
    AnySource,
    Corpus,
    Documents,
    MixedCorpus,
    Mixture,
    SplitTokens,
    Tokenised,
    TokenisedCorpus,
)
from noiseband.study.data_needs import DataNeeds
from noiseband.study.instructions import Instructions
from noiseband.study.runs import Study
from noiseband.study.section import ADDED, Section
from noiseband.study.tokenizer_files import FileTokenizer
from noiseband.study.tokenizers import OwnTokenizer, Tokenizer
from noiseband.study.vocabularies import tokenizer_of, vocabulary_of


class CorpusParams(Documents):
    """Params of `corpus`."""

    @classmethod
    def of(cls, study: Study, corpus: str) -> CorpusParams:
        fields = Documents.model_fields
        return cls(**{name: getattr(study.config.corpora[corpus], name) for name in fields})


class FieldsParams(Section):
    """Params of `document_fields`."""

    sources: list[AnySource]
    fields: list[str]

    @classmethod
    def of(cls, study: Study, corpus: str, split: str) -> FieldsParams:
        chosen = study.config.corpora[corpus]
        assert isinstance(chosen, Corpus)  # `slice_checks` refuses slices of others.
        fields = DataNeeds.of(study, corpus).sliced[split]
        return cls(sources=chosen.sources, fields=fields)


class VocabularyParams(Section):
    """Params of `vocabulary`: the tokenizer without the settings that only affect encoding."""

    kind: Literal["bpe", "gpt2", "file"]
    vocabulary: int | None
    like: Annotated[str | None, ADDED] = None
    """Name of the corpus whose vocabulary it is; None if it is the corpus's own."""
    file: Annotated[FileTokenizer | None, ADDED] = None
    """The tokenizer of kind `file`, without what only affects encoding."""

    @classmethod
    def of(cls, study: Study, corpus: str) -> VocabularyParams:
        corpora = study.config.corpora
        tokenizer, other = tokenizer_of(corpora, corpus), vocabulary_of(corpora, corpus)
        like = None if other == corpus else other
        if isinstance(tokenizer, FileTokenizer):
            file = tokenizer.model_copy(update={"allow_special": False})
            return cls(kind="file", vocabulary=None, like=like, file=file)
        return cls(kind=tokenizer.kind, vocabulary=tokenizer.vocabulary, like=like)

    @property
    def tokenizer(self) -> OwnTokenizer:
        """The tokenizer."""
        if self.file is not None:
            return self.file
        return Tokenizer.model_validate({"kind": self.kind, "vocabulary": self.vocabulary})


class TokenizeParams(Section):
    """Params of `tokenize`."""

    tokens: SplitTokens | None
    allow_special: bool

    @classmethod
    def of(cls, study: Study, corpus: str) -> TokenizeParams:
        chosen = study.config.corpora[corpus]
        return cls(tokens=chosen.tokens, allow_special=chosen.tokenizer.allow_special)


class FetchTokensParams(Section):
    """Params of `fetch_tokens`."""

    tokenised: Tokenised
    tokens: SplitTokens | None

    @classmethod
    def of(cls, study: Study, corpus: str) -> FetchTokensParams:
        chosen = study.config.corpora[corpus]
        assert isinstance(chosen, TokenisedCorpus)  # Rules ask only for corpora of this kind.
        return cls(tokenised=chosen.tokenised, tokens=chosen.tokens)


class MixParams(Section):
    """Params of `mix_tokens`."""

    mixture: Mixture
    tokens: SplitTokens | None

    @classmethod
    def of(cls, study: Study, corpus: str) -> MixParams:
        chosen = study.config.corpora[corpus]
        assert isinstance(chosen, MixedCorpus)  # Rules ask only for corpora of this kind.
        return cls(mixture=chosen.mixture, tokens=chosen.tokens)


class PackParams(Section):
    """Params of `pack`, which packs a training split into sequences for a context."""

    context: int


class InstructionsParams(Section):
    """Params of `instructions`."""

    instructions: Instructions

    @classmethod
    def of(cls, study: Study, name: str) -> InstructionsParams:
        assert study.config.finetuning is not None  # Rules ask only in studies that fine-tune.
        return cls(instructions=study.config.finetuning.instructions[name])
