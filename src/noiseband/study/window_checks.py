"""Checks that nothing is tested on what it was trained on, as far as a config can tell.

Splits of one corpus share no document. What is left: a window cut from the training split, and a
run that went on from one of another corpus, cut otherwise from the same source.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from noiseband.study.config import Evaluation
from noiseband.study.corpora import AnyCorpus, Corpus
from noiseband.study.problems import Problem
from noiseband.study.runs import Run, trained_on


def check_test_window(
    runs: Sequence[Run], evaluation: Evaluation, corpora: Mapping[str, AnyCorpus]
) -> list[Problem]:
    """Problems with test windows that a run, or one that it goes on from, has read."""
    known = {run.name: run for run in runs if run.recipe.data.corpus in corpora}
    if evaluation.corpus not in (None, *corpora):
        return []  # told elsewhere
    pairs = [(run, read) for run in known.values() for read in trained_on(run, known)]
    problems = _same_tokens(pairs, evaluation, corpora) if evaluation.split == "train" else []
    problems += _there_is_a_split([*known.values()], evaluation, corpora)
    problems += _it_fits([*known.values()], evaluation, corpora)
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
    pairs: Sequence[tuple[Run, Run]], evaluation: Evaluation, corpora: Mapping[str, AnyCorpus]
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
    pairs: Sequence[tuple[Run, Run]], evaluation: Evaluation, corpora: Mapping[str, AnyCorpus]
) -> list[Problem]:
    """Another corpus of the same source must not train on what this one tests on.

    Splits are shares of the documents in their order. So two corpora of one source and one order
    keep clear of each other by their shares. Where they have other sources besides, that holds
    nearly; the contamination that a study measures says what is left. So it does for token files
    that others made, of which nobody here knows the documents.
    """
    found: dict[tuple[str, str], Problem] = {}
    for run, read in pairs:
        names = evaluation.corpus or run.corpus, read.corpus
        own, other = corpora[names[0]], corpora[names[1]]
        if not (isinstance(own, Corpus) and isinstance(other, Corpus)) or own.same_tokens(other):
            continue
        shared = {s.origin for s in own.sources} & {s.origin for s in other.sources}
        (begin, end), (first, last) = own.part(evaluation.split), other.part("train")
        apart = own.order == other.order and max(begin, first) > min(end, last) - 1e-9
        if not shared or apart:
            continue
        remedy = (
            f"{_reader(run, read)} trains on {_shares(first, last)} of the documents of "
            f"{min(shared)}, and the {evaluation.split} split of corpus {names[0]} is "
            f"{_shares(begin, end)} of them"
        )
        key, value = f"corpora.{names[1]}.test", other.test
        if own.order != other.order:
            remedy = f"{remedy} in another order; give both corpora the same order and shares"
        else:
            remedy = f"{remedy}; give both corpora the same shares"
        if evaluation.split == "train":
            remedy += ", and set evaluation.split to test"
        found.setdefault(names, Problem(key, value, remedy))
    return list(found.values())


def _it_fits(
    runs: Sequence[Run], evaluation: Evaluation, corpora: Mapping[str, AnyCorpus]
) -> list[Problem]:
    """Where token counts are pinned, a window that reaches too far is found before any training."""
    for run in runs:
        name = evaluation.corpus or run.corpus
        pinned = corpora[name].tokens
        there = None if pinned is None else int(getattr(pinned, evaluation.split))
        first, stop = window_tokens(evaluation, run.recipe.model.context, there)
        if there and (stop > there or stop == first + 1):
            size = evaluation.batch * run.recipe.model.context
            remedy = (
                f"the {evaluation.split} split of corpus {name} has {there:,} "
                f"tokens, and the window of run {run.name} takes {first:,} to {stop:,}, in batches "
                f"of {size:,}; start earlier, take fewer tokens, or lower the batch"
            )
            return [Problem("evaluation", None, remedy)]
    return []


def _shares(begin: float, end: float) -> str:
    return f"{begin:.4g} to {end:.4g}"


def _there_is_a_split(
    runs: Sequence[Run], evaluation: Evaluation, corpora: Mapping[str, AnyCorpus]
) -> list[Problem]:
    """The split that the window is cut from must hold something."""
    names = {evaluation.corpus or run.corpus for run in runs}
    empty = sorted(name for name in names if not corpora[name].has_validation)
    if evaluation.split != "validation" or not empty:
        return []
    remedy = f"corpus {empty[0]} has no validation split; write test, or hold some of it out"
    return [Problem("evaluation.split", evaluation.split, remedy)]


def _reader(run: Run, read: Run) -> str:
    """`run a`, or `run b, which run a goes on from,`."""
    if run is read:
        return f"run {run.name}"
    return f"run {read.name}, which {run.name} goes on from,"
