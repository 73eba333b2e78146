"""What runs really read: the tokens and shares of each corpus of a mixture, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noiseband.analysis.rows import RunRow, ShareRow
from noiseband.analysis.sources import json_file
from noiseband.corpus.origin import Origin
from noiseband.corpus.reading_order import ReadingOrder
from noiseband.study.paths import Paths
from noiseband.study.recipe import Recipe


def share_rows(runs: Sequence[RunRow], names: Sequence[str], results: Path) -> list[ShareRow]:
    """A row for each of these runs and each corpus that its tokens come from.

    A run that ended early counts with the steps that it took. Raises UserError for a missing or
    damaged file.
    """
    found = _Found(Paths(results))
    known = {run.run: run for run in runs}
    return [row for name in names for row in found.rows(known[name])]


class _Found:
    """The rows of runs, for which each origin is read once."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.origin = cache(Origin.read)

    def rows(self, run: RunRow) -> Iterator[ShareRow]:
        card = json_file(self.paths.run(run.run) / "recipe.json")
        recipe = Recipe.model_validate(card["recipe"])
        corpus = recipe.data.corpus
        tokens = json_file(self.paths.tokens(corpus) / "card.json")
        whole = {"weight": None, "available": tokens["splits"]["train"]["tokens"]}
        parts: dict[str, Any] = {corpus: whole}
        if "mixture" in tokens:
            parts = tokens["mixture"]["splits"]["train"]
        file = self.paths.training_tokens(corpus, recipe.packed)
        origin = self.origin(self.paths.origin(file)) if "mixture" in tokens else None
        available = [facts["available"] for _, facts in sorted(parts.items())]
        read, distinct = tokens_read(recipe, run.tokens or 0, origin, available)
        left_out = None
        if recipe.packed is not None:
            left_out = json_file(file.with_suffix(".json"))["left_out_share"]
        for number, (part, facts) in enumerate(sorted(parts.items())):
            once = int(distinct[number])
            yield ShareRow(
                run=run.run,
                corpus=corpus,
                part=part,
                weight=facts["weight"],
                tokens=int(read[number]),
                share=int(read[number]) / int(read.sum()) if read.any() else None,
                distinct_tokens=once,
                epochs=int(read[number]) / once if once else None,
                left_out_by_packing=left_out,
            )


def tokens_read(
    recipe: Recipe, tokens: int, origin: Origin | None, available: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tokens of each part that a run read, and how many different ones they were.

    Args:
        tokens: the number of tokens that it read in all, in whole sequences.
        origin: the parts of the file's tokens; None if there is one part only, of which the file
            has no token twice.
        available: the number of each part's own tokens, after which it is read again.

    Returns two arrays of shape (parts,).
    """
    order, context = ReadingOrder(recipe), recipe.model.context
    start, parts = recipe.data.start_token, len(available)
    borders = start + np.arange(order.count + 1) * context
    each = np.full((parts, order.count), context)
    if origin is not None:
        each = np.stack([np.diff(origin.before(borders, part)) for part in range(parts)])
    epochs, rest = divmod(tokens // context, order.count)
    last = order(np.arange(epochs * order.count, epochs * order.count + rest))
    read = epochs * each.sum(axis=1) + each[:, last].sum(axis=1)
    once = np.full(order.count, epochs > 0)
    once[last] = True
    if origin is None:
        return read, each[:, once].sum(axis=1)
    # Between two neighbouring cuts, all tokens are of one segment, and of one sequence.
    inside = origin.starts[(origin.starts > borders[0]) & (origin.starts < borders[-1])]
    cuts = np.union1d(borders, inside)
    begins, sizes = cuts[:-1], np.diff(cuts)
    chosen = once[(begins - start) // context]
    begins, sizes = begins[chosen], sizes[chosen]
    corpora, own = origin.of(begins), origin.own(begins)
    distinct = [
        _covered(own[corpora == part], sizes[corpora == part], size)
        for part, size in enumerate(available)
    ]
    return read, np.array(distinct, np.int64)


def _covered(begins: NDArray[np.int64], sizes: NDArray[np.int64], around: int) -> int:
    """The number of different tokens in pieces of a circle of `around` tokens, both (pieces,)."""
    if (sizes >= around).any():
        return around
    begins = begins % around
    ends = begins + sizes
    over = ends[ends > around] - around  # These go on at the first token.
    begins = np.concatenate([begins, np.zeros_like(over)])
    ends = np.concatenate([np.minimum(ends, around), over])
    order = np.argsort(begins, kind="stable")
    begins, ends = begins[order], ends[order]
    reached = np.concatenate([[0], np.maximum.accumulate(ends)[:-1]]) if len(ends) else ends
    return int(np.maximum(ends - np.maximum(begins, reached), 0).sum())
