"""Checks of losses by a field: that the documents of the corpus have it, and can be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noiseband.study.corpora import AnyCorpus, Corpus, FileSource, MixedCorpus, Source
from noiseband.study.evaluations import FurtherLoss
from noiseband.study.problems import Problem
from noiseband.study.runs import Run


def check_slices(
    runs: Sequence[Run], window: FurtherLoss, corpora: Mapping[str, AnyCorpus], key: str
) -> list[Problem]:
    """Return the problem with the field by which a further loss is sliced, if there is one.

    Args:
        key: key of the loss in the config.
    """
    names = dict.fromkeys(window.corpus or run.corpus for run in runs)
    for name in names if window.by is not None else ():
        remedy = _remedy(name, corpora[name]) if name in corpora else None
        if remedy is not None:
            return [Problem(f"{key}.by", window.field, remedy)]
    return []


def _remedy(name: str, corpus: AnyCorpus) -> str | None:
    """Why the documents of a corpus have no field, and what to do; None if they may have it."""
    if isinstance(corpus, MixedCorpus):
        return (
            f"corpus {name} is a mixture, whose documents have no fields; set corpus to one that "
            f"it mixes: {', '.join(sorted(corpus.mixture.weights))}"
        )
    if not isinstance(corpus, Corpus):
        return f"corpus {name} has ready-made tokens, whose documents have no fields; leave it out"
    for place, source in enumerate(corpus.sources):
        names = source.files if isinstance(source, FileSource) else []
        texts = [
            file for file in names if file.removesuffix(".gz").removesuffix(".zst").endswith(".txt")
        ]
        if texts or isinstance(source, Source):
            what = f"text files such as {texts[0]}" if texts else "a package"
            return (
                f"sources[{place}] of corpus {name} is {what}, whose documents have no fields; "
                "give it a corpus of its own"
            )
    if corpus.tokenizer.allow_special:
        return (
            f"corpus {name} has tokenizer.allow_special, with which an end-of-text need not end a "
            "document; turn that off, or leave this out"
        )
    return None
