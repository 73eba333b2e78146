"""Checks that nothing is tested on what it was trained on, as far as a config can tell.

Splits of one corpus share no document. What is left: a window cut from the training split, and a
run that went on from one of another corpus, cut otherwise from the same source.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from noiseband.study.config import Evaluation
from noiseband.study.corpora import Corpus
from noiseband.study.problems import Problem
from noiseband.study.runs import Run, trained_on


def check_test_window(
    runs: Sequence[Run], evaluation: Evaluation, corpora: Mapping[str, Corpus]
) -> list[Problem]:
    """Problems with test windows that a run, or one that it goes on from, has read."""
    known = {run.name: run for run in runs if run.recipe.data.corpus in corpora}
    if evaluation.corpus not in (None, *corpora):
        return []  # told elsewhere
    pairs = [(run, read) for run in known.values() for read in trained_on(run, known)]
    problems = _same_tokens(pairs, evaluation, corpora) if evaluation.split == "train" else []
    return problems + _same_documents(pairs, evaluation, corpora)


def window_tokens(evaluation: Evaluation, context: int, there: int | None) -> tuple[int, float]:
    """The window's first token, and one past its last target, in a split of `there` tokens, if that
    is known. Whether it fits is for the evaluation to say."""
    start, size = evaluation.start_token, evaluation.batch * context
    wanted = evaluation.tokens
    if wanted is None:
        if there is None:
            return start, math.inf
        wanted = max(there - start - 1, 0)
    return start, start + wanted // size * size + 1


def _same_tokens(
    pairs: Sequence[tuple[Run, Run]], evaluation: Evaluation, corpora: Mapping[str, Corpus]
) -> list[Problem]:
    """A window of the training split must lie beside what was read of it."""
    alike = [
        (run, read)
        for run, read in pairs
        if corpora[evaluation.corpus or run.corpus].same_tokens(corpora[read.corpus])
    ]
    clashes = []
    for run, read in alike:
        pinned = corpora[evaluation.corpus or run.corpus].tokens
        there = None if pinned is None else pinned.train
        first, stop = window_tokens(evaluation, run.recipe.model.context, there)
        if read.recipe.data.start_token < stop and first < read.recipe.last_token:
            clashes.append((run, read, first, stop))
    if not clashes:
        return []
    run, read, first, stop = max(clashes, key=lambda clash: clash[1].recipe.last_token)
    free = max(read.recipe.last_token for _, read in alike)
    window = f"{first:,} to {stop:,}" if stop < math.inf else f"{first:,} on"
    remedy = (
        f"{_reader(run, read)} reads tokens {read.recipe.data.start_token:,} to "
        f"{read.recipe.last_token:,} of the training split, and the test window takes {window}; "
        f"start at {free:,} or later, or set split to test"
    )
    return [Problem("evaluation.start_token", evaluation.start_token, remedy)]


def _same_documents(
    pairs: Sequence[tuple[Run, Run]], evaluation: Evaluation, corpora: Mapping[str, Corpus]
) -> list[Problem]:
    """Another corpus of the same source must not train on what this one tests on.

    Documents lie in the order of a hash of their names: the first share is the test split, the
    next validation, the rest training. So two corpora of one source keep clear of each other by
    their shares. Where they have other sources besides, that holds nearly; the contamination that
    a study measures says what is left.
    """
    found: dict[tuple[str, str], Problem] = {}
    for run, read in pairs:
        names = evaluation.corpus or run.corpus, read.corpus
        own, other = corpora[names[0]], corpora[names[1]]
        shared = {s.package for s in own.sources} & {s.package for s in other.sources}
        ends = {"test": own.test, "validation": own.test + own.validation, "train": 1.0}
        end, held_out = ends[evaluation.split], other.test + other.validation
        if own.same_tokens(other) or not shared or held_out > end - 1e-9:
            continue
        remedy = (
            f"{_reader(run, read)} trains on all but the first {held_out:.4g} of the documents of "
            f"{min(shared)}, and the {evaluation.split} split of corpus {names[0]} reaches to "
            f"{end:.4g} of them; give both corpora the same shares"
        )
        if evaluation.split == "train":
            remedy += ", and set evaluation.split to test"
        found.setdefault(names, Problem(f"corpora.{names[1]}.test", other.test, remedy))
    return list(found.values())


def _reader(run: Run, read: Run) -> str:
    """`run a`, or `run b, which run a goes on from,`."""
    if run is read:
        return f"run {run.name}"
    return f"run {read.name}, which {run.name} goes on from,"
