"""Room on the disk for what a study reads."""

from __future__ import annotations

from noiseband.study import Study
from noiseband.study.corpora import AnyCorpus, FileSource, TokenisedCorpus

TOKEN_BYTES = 2
"""Of a token file."""
TEXT_BYTES = 4.5
"""Of English text for each token of GPT-2's vocabulary, about; written out as JSON lines."""
PACKED = 0.6
"""What a data set's compressed files take beside their text, about."""


def corpus_disk(corpus: AnyCorpus) -> int | None:
    """Bytes of downloads, documents and tokens; None where no token counts are pinned.

    Exact for tokens that others made: of the Hub, the client's cache and the results share one
    file. An estimate for text, which takes its size a second time while `hashed` orders it.
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
