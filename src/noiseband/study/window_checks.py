"""Checks of test windows: that each is there and fits, that token ids mean the same text, and that
no model is tested on its training text, as far as a config shows.

Splits of one corpus share no document. Two cases remain: a window in the training split, and a run
that continues a run of another corpus with other splits of the same source.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from noiseband.study.config import Evaluation
from noiseband.study.corpora import AnyCorpus, Corpus, MixedCorpus
from noiseband.study.mixtures import has_validation, parts, repeats
from noiseband.study.problems import Problem, unknown_names
from noiseband.study.runs import Run, trained_on
from noiseband.study.vocabularies import same_ids, same_text, same_tokens


def check_test_window(
    runs: Sequence[Run],
    evaluation: Evaluation,
    corpora: Mapping[str, AnyCorpus],
    key: str = "evaluation",
) -> list[Problem]:
    """Return problems with test windows that a run, or a run that it continues, has read.

    Args:
        key: key of the evaluation in the config.
    """
    known = {run.name: run for run in runs if run.built_in.data.corpus in corpora}
    if evaluation.corpus not in (None, *corpora):
        return []  # `run_checks` reports the unknown corpus.
    pairs = [(run, read) for run in known.values() for read in trained_on(run, known)]
    problems = _same_tokens(pairs, evaluation, corpora, key) if evaluation.split == "train" else []
    problems += _there_is_a_split([*known.values()], evaluation, corpora, key)
    problems += _it_fits([*known.values()], evaluation, corpora, key)
    return problems + _same_documents(pairs, evaluation, corpora, key)


def check_measured_on(
    runs: Sequence[Run], corpus: str | None, corpora: Mapping[str, AnyCorpus], key: str
) -> list[Problem]:
    """Check that every run's vocabulary is that of the corpus on which all runs are measured.

    Args:
        key: key of the corpus in the config.
    """
    if corpus is None or not corpora:
        return []
    if corpus not in corpora:
        return unknown_names(key, corpus, corpora)
    known = [run for run in runs if run.built_in.data.corpus in corpora]
    others = [run for run in known if not same_ids(corpora, run.corpus, corpus)]
    if not others:
        return []
    remedy = (
        f"run {others[0].name} reads {others[0].corpus}, whose token ids mean other text; "
        f"write tokenizer: {{like: {others[0].corpus}}} in corpora.{corpus}, give both corpora the "
        "tokenizer gpt2, or leave the key out"
    )
    return [Problem(key, corpus, remedy)]


def check_units(
    runs: Sequence[Run],
    evaluation: Evaluation,
    corpora: Mapping[str, AnyCorpus],
    key: str = "evaluation",
) -> list[Problem]:
    """Check that losses per token are of one vocabulary, and losses per byte of the same documents.

    Args:
        key: key of the evaluation in the config.
    """
    if evaluation.corpus not in (None, *corpora):
        return []  # `run_checks` reports the unknown corpus.
    named = {run.name: evaluation.corpus or run.corpus for run in runs}
    names = dict.fromkeys(name for name in named.values() if name in corpora)
    if not names:
        return []
    first, *others = names
    if not evaluation.in_bits:
        odd = next((name for name in others if not same_ids(corpora, first, name)), None)
        if odd is None:
            return []
        run = next(run for run, name in named.items() if name == odd)
        remedy = (
            f"run {run} reads {odd}, whose vocabulary is not that of {first}, so their losses per "
            "token cannot be compared; write bits-per-byte"
        )
        return [Problem(f"{key}.unit", evaluation.unit, remedy)]
    for name in names:
        corpus, fault = corpora[name], None
        if isinstance(corpus, MixedCorpus):
            mixed = ", ".join(parts(corpora, name))
            remedy = (
                f"corpus {name} is a mixture, whose documents' bytes are not known; set "
                f"{key}.corpus to one that it mixes: {mixed}"
            )
            return [Problem(f"{key}.unit", evaluation.unit, remedy)]
        if not isinstance(corpus, Corpus):
            fault = "has ready-made tokens, and the bytes of its documents are not known"
        elif corpus.tokenizer.allow_special:
            fault = "has tokenizer.allow_special, with which a document may end early"
        elif not same_text(corpora, first, name):
            fault = f"has other documents or other splits than {first}"
        if fault is not None:
            remedy = f"corpus {name} {fault}; give the corpora the same sources and shares"
            if name == first:
                remedy = f"corpus {name} {fault}; give it sources, without allow_special"
            return [Problem(f"{key}.unit", evaluation.unit, remedy)]
    return []


def window_tokens(evaluation: Evaluation, context: int, there: int | None) -> tuple[int, float]:
    """The window's first token and one past its last target, in a split of `there` tokens (None if
    that is unknown). This does not check that the window fits."""
    if evaluation.in_bits:
        return 0, math.inf if there is None else there
    start, size = evaluation.start_token, evaluation.batch * context
    wanted = evaluation.tokens
    if wanted is None:
        if there is None:
            return start, math.inf
        wanted = max(there - start - 1, 0)
    return start, start + wanted // size * size + 1


def _same_tokens(
    pairs: Sequence[tuple[Run, Run]],
    evaluation: Evaluation,
    corpora: Mapping[str, AnyCorpus],
    key: str,
) -> list[Problem]:
    """Check that a window in the training split does not overlap the tokens that were read."""
    alike = []
    for run, read in pairs:
        name = evaluation.corpus or run.corpus
        in_order = read.built_in.packed is None and not repeats(corpora, read.corpus)
        if same_tokens(corpora, name, read.corpus) and in_order:
            alike.append((run, read))
        elif {*parts(corpora, name)} & {*parts(corpora, read.corpus)}:
            remedy = (
                f"{_reader(run, read)} reads the training split of {name} in another order "
                "(packed, or in a mixture), so any part of it may have been read; set split to test"
            )
            return [Problem(f"{key}.split", evaluation.split, remedy)]
    clashes = []
    for run, read in alike:
        pinned = corpora[evaluation.corpus or run.corpus].tokens
        there = None if pinned is None else pinned.train
        first, stop = window_tokens(evaluation, run.built_in.model.context, there)
        if read.built_in.data.start_token < stop and first < read.built_in.last_token:
            clashes.append((run, read, first, stop))
    if not clashes:
        return []
    run, read, first, stop = max(clashes, key=lambda clash: clash[1].built_in.last_token)
    free = max(read.built_in.last_token for _, read in alike)
    window = f"{first:,} to {stop:,}" if stop < math.inf else f"{first:,} on"
    remedy = (
        f"{_reader(run, read)} reads tokens {read.built_in.data.start_token:,} to "
        f"{read.built_in.last_token:,} of the training split, and the test window takes {window}; "
        f"start at {free:,} or later, or set split to test"
    )
    return [Problem(f"{key}.start_token", evaluation.start_token, remedy)]


def _same_documents(
    pairs: Sequence[tuple[Run, Run]],
    evaluation: Evaluation,
    corpora: Mapping[str, AnyCorpus],
    key: str,
) -> list[Problem]:
    """Check that no run trains, through another corpus, on documents of its test split.

    Splits are shares of the documents in their order, so two corpora with one source and one order
    are disjoint if their shares are. With further sources this is only nearly true, and the
    documents of ready-made token files are unknown; the contamination that a study measures shows
    any overlap that is left.
    """
    found: dict[tuple[str, str], Problem] = {}
    each = [
        (run, read, (own, other))
        for run, read in pairs
        for own in parts(corpora, evaluation.corpus or run.corpus)
        for other in parts(corpora, read.corpus)
    ]
    for run, read, names in each:
        own, other = corpora[names[0]], corpora[names[1]]
        if not (isinstance(own, Corpus) and isinstance(other, Corpus)):
            continue
        if same_tokens(corpora, *names):
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
        place, value = f"corpora.{names[1]}.test", other.test
        if own.order != other.order:
            remedy = f"{remedy} in another order; give both corpora the same order and shares"
        else:
            remedy = f"{remedy}; give both corpora the same shares"
        if evaluation.split == "train":
            remedy += f", and set {key}.split to test"
        found.setdefault(names, Problem(place, value, remedy))
    return list(found.values())


def _it_fits(
    runs: Sequence[Run], evaluation: Evaluation, corpora: Mapping[str, AnyCorpus], key: str
) -> list[Problem]:
    """Check that the window fits into its split, if the corpus pins the split's token count."""
    for run in runs:
        name = evaluation.corpus or run.corpus
        pinned = corpora[name].tokens
        there = None if pinned is None else int(getattr(pinned, evaluation.split))
        first, stop = window_tokens(evaluation, run.built_in.model.context, there)
        if there and (stop > there or stop == first + 1):
            size = evaluation.batch * run.built_in.model.context
            remedy = (
                f"the {evaluation.split} split of corpus {name} has {there:,} "
                f"tokens, and the window of run {run.name} is {first:,} to {stop:,}, in batches "
                f"of {size:,}; start earlier, take fewer tokens, or lower the batch"
            )
            return [Problem(key, None, remedy)]
    return []


def _shares(begin: float, end: float) -> str:
    return f"{begin:.4g} to {end:.4g}"


def _there_is_a_split(
    runs: Sequence[Run], evaluation: Evaluation, corpora: Mapping[str, AnyCorpus], key: str
) -> list[Problem]:
    """Check that the window's split is not empty."""
    names = {evaluation.corpus or run.corpus for run in runs}
    empty = sorted(name for name in names if not has_validation(corpora, name))
    if evaluation.split != "validation" or not empty:
        return []
    remedy = f"corpus {empty[0]} has no validation split; write test, or give it one"
    return [Problem(f"{key}.split", evaluation.split, remedy)]


def _reader(run: Run, read: Run) -> str:
    """`run a`, or `run b, which a continues,`."""
    if run is read:
        return f"run {run.name}"
    return f"run {read.name}, which {run.name} continues,"
