"""Estimate the disk space of the corpora that a study reads."""

from __future__ import annotations

from noiseband.study import Study
from noiseband.study.corpora import AnyCorpus, Corpus, FileSource

TOKEN_BYTES = 2
"""Bytes of one token in a token file."""
TEXT_BYTES = 4.5
"""Bytes of English text, as JSON lines, for each token of GPT-2's vocabulary; approximate."""
PACKED = 0.6
"""Size of a data set's compressed files as a share of its text; approximate."""


def corpus_disk(corpus: AnyCorpus) -> int | None:
    """Bytes of downloads, documents and tokens; None if the config does not pin token counts.

    The figure is exact for mixtures and for pretokenised corpora; if these come from the Hub, the
    client's cache and the results share one file. For text it is an estimate, with twice the size
    of the text if `hashed` orders it.
    """
    if corpus.tokens is None:
        return None
    tokens = corpus.tokens.train + corpus.tokens.validation + corpus.tokens.test
    if not isinstance(corpus, Corpus):
        return TOKEN_BYTES * tokens
    hub = any(isinstance(source, FileSource) and source.repo for source in corpus.sources)
    text = TEXT_BYTES * tokens * (1 + PACKED * hub + (corpus.order == "hashed"))
    return TOKEN_BYTES * tokens + round(text)


def corpora_disk(study: Study) -> dict[str, int | None]:
    """`corpus_disk` of every corpus that the study reads, by name, with its packed sequences."""
    found: dict[str, int | None] = {}
    for name in study.corpora:
        size, tokens = corpus_disk(study.config.corpora[name]), study.config.corpora[name].tokens
        copies = sum(corpus == name for corpus, _ in study.packed)
        packed = 0 if tokens is None else TOKEN_BYTES * tokens.train * copies
        found[name] = None if size is None else size + packed
    return found
