"""Mixtures: the corpora that they are made of, and the checks of these."""

from __future__ import annotations

from collections.abc import Mapping

from noiseband.study.corpora import AnyCorpus, MixedCorpus
from noiseband.study.problems import Problem, unknown_names
from noiseband.study.vocabularies import same_ids, vocabulary_of

Corpora = Mapping[str, AnyCorpus]


def parts(corpora: Corpora, name: str) -> list[str]:
    """The corpora whose text a corpus has: those of a mixture, sorted, or the corpus itself."""
    corpus = corpora[name]
    return sorted(corpus.mixture.weights) if isinstance(corpus, MixedCorpus) else [name]


def repeats(corpora: Corpora, name: str) -> bool:
    """Whether the training split of a corpus may have a document several times, because it is a
    mixture in which corpora that end begin again."""
    corpus = corpora[name]
    return isinstance(corpus, MixedCorpus) and corpus.mixture.train_tokens is not None


def has_validation(corpora: Corpora, name: str) -> bool:
    """Whether a corpus has a validation split; a mixture has one if all its corpora have one."""
    found = [corpora[part] for part in parts(corpora, name)]
    return all(not isinstance(one, MixedCorpus) and one.has_validation for one in found)


def check_mixtures(corpora: Corpora) -> list[Problem]:
    """Check that mixtures are of known corpora that have their vocabulary and are no mixtures."""
    return [
        problem
        for name, corpus in corpora.items()
        if isinstance(corpus, MixedCorpus)
        for part in corpus.mixture.weights
        for problem in _part(corpora, name, corpus, part)
    ]


def _part(corpora: Corpora, name: str, corpus: MixedCorpus, part: str) -> list[Problem]:
    key, weight = f"corpora.{name}.mixture.weights.{part}", corpus.mixture.weights[part]
    plain = [other for other, one in corpora.items() if not isinstance(one, MixedCorpus)]
    if part in corpora and part not in plain:
        which = "this mixture itself" if part == name else "a mixture in turn"
        return [Problem(key, weight, f"is {which}; name the corpora that it is to have")]
    if part not in plain:
        return unknown_names(key, part, plain)
    if not same_ids(corpora, name, part):
        like = vocabulary_of(corpora, name)
        remedy = (
            f"the token ids of {part} mean other text than those of {name}; write tokenizer: "
            f"{{like: {like if like != name else part}}} in both, or in all but the one named"
        )
        return [Problem(key, weight, remedy)]
    return []
