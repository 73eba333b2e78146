"""Params of the rules that make corpora, vocabularies, tokens and instructions."""

from __future__ import annotations

from typing import Literal

from noiseband.study.corpora import Documents, SplitTokens, Tokenised, TokenisedCorpus
from noiseband.study.instructions import Instructions
from noiseband.study.runs import Study
from noiseband.study.section import Section


class CorpusParams(Documents):
    """Params of `corpus`."""

    @classmethod
    def of(cls, study: Study, corpus: str) -> CorpusParams:
        fields = Documents.model_fields
        return cls(**{name: getattr(study.config.corpora[corpus], name) for name in fields})


class VocabularyParams(Section):
    """Params of `vocabulary`: the tokenizer without the settings that only affect encoding."""

    kind: Literal["bpe", "gpt2"]
    vocabulary: int | None

    @classmethod
    def of(cls, study: Study, corpus: str) -> VocabularyParams:
        tokenizer = study.config.corpora[corpus].tokenizer
        return cls(kind=tokenizer.kind, vocabulary=tokenizer.vocabulary)


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


class InstructionsParams(Section):
    """Params of `instructions`."""

    instructions: Instructions

    @classmethod
    def of(cls, study: Study, name: str) -> InstructionsParams:
        assert study.config.finetuning is not None  # Rules ask only in studies that fine-tune.
        return cls(instructions=study.config.finetuning.instructions[name])
