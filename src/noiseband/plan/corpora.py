"""Estimate the disk space of the corpora that a study reads."""

from __future__ import annotations

from noiseband.corpus.token_file import token_type
from noiseband.study import Study
from noiseband.study.corpora import AnyCorpus, Corpus, FileSource
from noiseband.study.vocabularies import tokenizer_of

TEXT_BYTES = 4.5
"""Bytes of English text, as JSON lines, for each token of GPT-2's vocabulary; approximate."""
PACKED = 0.6
"""Size of a data set's compressed files as a share of its text; approximate."""


def corpus_disk(corpus: AnyCorpus, width: int = 2) -> int | None:
    """Bytes of downloads, documents and tokens; None if the config does not pin token counts.

    `width` is the number of bytes of a token.

    The figure is exact for mixtures and for pretokenised corpora; if these come from the Hub, the
    client's cache and the results share one file. For text it is an estimate, with twice the size
    of the text if `hashed` orders it.
    """
    if corpus.tokens is None:
        return None
    tokens = corpus.tokens.train + corpus.tokens.validation + corpus.tokens.test
    if not isinstance(corpus, Corpus):
        return width * tokens
    hub = any(isinstance(source, FileSource) and source.repo for source in corpus.sources)
    text = TEXT_BYTES * tokens * (1 + PACKED * hub + (corpus.order == "hashed"))
    return width * tokens + round(text)


def corpora_disk(study: Study) -> dict[str, int | None]:
    """`corpus_disk` of every corpus that the study reads, by name, with its packed sequences."""
    found: dict[str, int | None] = {}
    for name in study.corpora:
        corpus, width = study.config.corpora[name], token_width(study, name)
        size = corpus_disk(corpus, width)
        copies = sum(one == name for one, _ in study.packed)
        packed = 0 if corpus.tokens is None else width * corpus.tokens.train * copies
        found[name] = None if size is None else size + packed
    return found


def token_width(study: Study, corpus: str) -> int:
    """Bytes of one token of a corpus, whose vocabulary is as large as that of the models that read
    it: its tokenizer may be on the Hub."""
    facts = tokenizer_of(study.config.corpora, corpus).facts
    read = (one.model.vocabulary for one in study.models.values() if one.corpus == corpus)
    size = next(read, 0) if facts is None else facts.size
    return token_type(size).itemsize
