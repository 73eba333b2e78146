"""Which corpora share a vocabulary: by being published, by being trained alike, or by `like`."""

from __future__ import annotations

from collections.abc import Mapping

from noiseband.study.corpora import AnyCorpus
from noiseband.study.problems import Problem, unknown_names
from noiseband.study.tokenizer_files import FileTokenizer
from noiseband.study.tokenizers import OwnTokenizer, SharedTokenizer

Corpora = Mapping[str, AnyCorpus]


def vocabulary_of(corpora: Corpora, name: str) -> str:
    """Name of the corpus whose vocabulary a corpus has: its own, or the one that it is like."""
    tokenizer = corpora[name].tokenizer
    return tokenizer.like if isinstance(tokenizer, SharedTokenizer) else name


def tokenizer_of(corpora: Corpora, name: str) -> OwnTokenizer:
    """The tokenizer whose vocabulary a corpus has."""
    found = corpora[vocabulary_of(corpora, name)].tokenizer
    assert not isinstance(found, SharedTokenizer)  # `check_vocabularies` refuses it.
    return found


def same_ids(corpora: Corpora, one: str, other: str) -> bool:
    """Whether a token id stands for the same text in both corpora."""
    own, also = (
        tokenizer_of(corpora, name).model_copy(update={"allow_special": False})
        for name in (one, other)
    )
    if own != also:
        return False
    texts = vocabulary_of(corpora, one), vocabulary_of(corpora, other)
    return own.kind != "bpe" or texts[0] == texts[1] or same_text(corpora, *texts)


def same_tokens(corpora: Corpora, one: str, other: str) -> bool:
    """Whether both corpora give the same token files; their token counts may be pinned in one."""
    special = {corpora[name].tokenizer.allow_special for name in (one, other)}
    alike = same_text(corpora, one, other) and len(special) == 1
    return one == other or (alike and same_ids(corpora, one, other))


def same_text(corpora: Corpora, one: str, other: str) -> bool:
    """Whether both corpora have the same documents in the same splits, or the same token files."""
    first, second = (
        corpora[name].model_dump(exclude={"tokens", "tokenizer"}) for name in (one, other)
    )
    return first == second


def check_vocabularies(corpora: Corpora) -> list[Problem]:
    """Check that a corpus takes the vocabulary of one that has its own, and that tokenizers in
    files of this machine are there."""
    problems = []
    for name, corpus in corpora.items():
        if isinstance(corpus.tokenizer, FileTokenizer):
            problems += _in_a_file(f"corpora.{name}.tokenizer", corpus.tokenizer)
        if not isinstance(corpus.tokenizer, SharedTokenizer):
            continue
        key, like = f"corpora.{name}.tokenizer.like", corpus.tokenizer.like
        own = [o for o, one in corpora.items() if not isinstance(one.tokenizer, SharedTokenizer)]
        if like == name:
            remedy = "is this corpus itself; name another one, or give it a kind of its own"
            problems.append(Problem(key, like, remedy))
        elif like in corpora and like not in own:
            further = corpora[like].tokenizer
            assert isinstance(further, SharedTokenizer)
            remedy = f"takes its vocabulary from {further.like} in turn; " + (
                f"write like: {further.like}"
                if further.like in own
                else "give one of them a kind of its own"
            )
            problems.append(Problem(key, like, remedy))
        else:
            problems += unknown_names(key, like, own)
    return problems


def _in_a_file(key: str, tokenizer: FileTokenizer) -> list[Problem]:
    try:
        _ = tokenizer.facts
    except ValueError as error:
        return [Problem(f"{key}.path", tokenizer.path, str(error))]
    return []
