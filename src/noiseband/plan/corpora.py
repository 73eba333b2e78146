"""Estimate the disk space of the corpora that a study reads."""

from __future__ import annotations

from noiseband.study import Study
from noiseband.study.corpora import AnyCorpus, FileSource, TokenisedCorpus

TOKEN_BYTES = 2
"""Bytes of one token in a token file."""
TEXT_BYTES = 4.5
"""Bytes of English text, as JSON lines, for each token of GPT-2's vocabulary; approximate."""
PACKED = 0.6
"""Size of a data set's compressed files as a share of its text; approximate."""


def corpus_disk(corpus: AnyCorpus) -> int | None:
    """Bytes of downloads, documents and tokens; None if the config does not pin token counts.

    The figure is exact for pretokenised corpora; if they come from the Hub, the client's cache and
    the results share one file. For text it is an estimate, with twice the size of the text if
    `hashed` orders it.
    """
    if corpus.tokens is None:
        return None
    tokens = corpus.tokens.train + corpus.tokens.validation + corpus.tokens.test
    if isinstance(corpus, TokenisedCorpus):
        return TOKEN_BYTES * tokens
    hub = any(isinstance(source, FileSource) and source.repo for source in corpus.sources)
    text = TEXT_BYTES * tokens * (1 + PACKED * hub + (corpus.order == "hashed"))
    return TOKEN_BYTES * tokens + round(text)


def corpora_disk(study: Study) -> dict[str, int | None]:
    """`corpus_disk` of every corpus that the study reads, by name."""
    return {name: corpus_disk(study.config.corpora[name]) for name in study.corpora}
