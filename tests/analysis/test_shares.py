"""The tokens that a run really read of each corpus, in any order and number of epochs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from noiseband.analysis.rows import ShareRow
from noiseband.analysis.shares import tokens_read
from noiseband.corpus.origin import Origin
from noiseband.corpus.reading_order import ReadingOrder
from noiseband.report.views.shares import shares
from noiseband.study import parse_study
from noiseband.study.recipe import Recipe
from tests.conftest import STUDY

segments = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 90)), min_size=1, max_size=20)


def recipe(**data: Any) -> Recipe:
    """A recipe of 8 steps of 8 sequences of 16 tokens."""
    changed = {**STUDY["recipe"], "data": {**STUDY["recipe"]["data"], **data}}
    study = {**STUDY, "recipe": changed, "interventions": {}, "seeds": {}}
    return (
        parse_study({**study, "noise": {"init_and_train": [42, 22]}}).runs["baseline-42"].built_in
    )


@given(
    segments,
    st.sampled_from(["sequential", "shuffled"]),
    st.integers(1, 5),
    st.integers(0, 8),
    st.integers(0, 3),
    st.tuples(*[st.integers(1, 400)] * 3),
)
def test_they_are_those_of_the_sequences_one_after_the_other(
    segments: list[tuple[int, int]],
    order: str,
    epochs: int,
    steps: int,
    start: int,
    available: tuple[int, int, int],
) -> None:
    """Also of a run that ended after some steps, and of parts that are read round in the file."""
    one = recipe(order=order, epochs=epochs, start_token=start)
    known = [corpus for corpus, tokens in segments for _ in range(tokens)]
    every = np.array((known * (one.last_token // len(known) + 1))[: one.last_token])
    changes = np.flatnonzero(np.diff(every)) + 1
    starts = np.concatenate([[0], changes])
    sizes = np.diff(np.append(starts, len(every)))
    origin = Origin(every[starts].astype(np.uint16), sizes.astype(np.uint32))
    read, distinct = tokens_read(one, steps * one.tokens_per_step, origin, available)
    numbers = ReadingOrder(one)(np.arange(steps * 8)).tolist()
    places = [start + number * 16 + place for number in numbers for place in range(16)]
    assert read.tolist() == [int((every[places] == part).sum()) for part in range(3)]
    own = np.zeros(len(every), np.int64)
    for part, size in enumerate(available):
        own[every == part] = np.arange((every == part).sum()) % size
    once = set(zip(every[places].tolist(), own[places].tolist(), strict=True))
    assert distinct.tolist() == [sum(one == part for one, _ in once) for part in range(3)]


def test_without_an_origin_all_tokens_are_of_one_corpus() -> None:
    read, distinct = tokens_read(recipe(epochs=4), 1024, None, [900])
    assert (read.tolist(), distinct.tolist()) == ([1024], [256])


def row(run: str, part: str, tokens: int) -> ShareRow:
    return ShareRow(run, "mixed", part, 0.5, tokens, 0.5, tokens, 1.0, None)


def test_runs_that_read_the_same_are_shown_together() -> None:
    rows = [
        *(row("a", part, 10) for part in ("code", "web")),
        *(row("b", part, 20) for part in ("code", "web")),
        *(row("c", part, 10) for part in ("code", "web")),
    ]
    found = shares(rows)
    assert [(one.runs, [part.tokens for part in one.parts]) for one in found] == [
        (["a", "c"], [10, 10]),
        (["b"], [20, 20]),
    ]
