"""Test that `fit` finds the largest microbatch under a limit, with real trials."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from noiseband.study.params import TrainParams
from noiseband.train.fit import Candidate, fit, microbatches
from noiseband.train.memory import available_memory, peak_memory
from tests.train.conftest import MakeJob

WIDE: dict[str, Any] = {"model.context": 128, "model.width": 64, "batch.sequences": 64}
"""The activations of the whole batch take a few hundred MB more than those of one sequence."""


@pytest.fixture
def params(make_job: MakeJob) -> TrainParams:
    return make_job(**WIDE, **{"batch.microbatch": 1, "data.train_tokens": 8_192}).params


def tried(candidates: list[Candidate]) -> dict[int, bool]:
    return {one.recipe.batch.microbatch: one.outcome is not None for one in candidates}


def test_candidates_divide_the_batch_and_leave_slots_to_share(make_job: MakeJob) -> None:
    recipe = make_job(**{"batch.sequences": 96, "batch.microbatch": 1}).params.recipe
    assert microbatches(recipe, 1) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96]
    assert microbatches(recipe, 8) == [1, 2, 3, 4, 6, 12]


def test_the_whole_batch_where_memory_is_plenty_and_a_limit_between_two_peaks(
    params: TrainParams,
) -> None:
    candidates = list(fit(params, processes=1, limit=None))
    assert max(tried(candidates)) == 64
    assert all(tried(candidates).values())
    assert tried(candidates)[1], "the recipe's own is always measured"
    for one in candidates:
        assert one.outcome is not None
        assert one.outcome.tokens_per_second > 0
    assert len({one.recipe.digest for one in candidates}) == len(candidates)

    peaks = {
        one.recipe.batch.microbatch: one.outcome.peak_memory for one in candidates if one.outcome
    }
    assert peaks[64] > peaks[1] + 50e6, peaks
    limit = (peaks[64] + peaks[1]) // 2
    found = tried(list(fit(params, processes=1, limit=limit)))
    assert found[1]
    largest = max(size for size, fits in found.items() if fits)
    next_one = min(size for size in microbatches(params.recipe, 1) if size > largest)
    assert found[next_one] is False, "the one after the largest was tried and did not fit"
    assert largest < 64


def test_nothing_fits_into_next_to_nothing(params: TrainParams) -> None:
    assert tried(list(fit(params, processes=1, limit=50_000_000))) == {1: False}


def test_memory_is_measured() -> None:
    cpu = torch.device("cpu")
    # In a separate process, because this one may have used more memory before.
    program = """
import torch
from noiseband.train.memory import peak_memory
cpu = torch.device("cpu")
before = peak_memory(cpu)
held = torch.ones(50_000_000)
print(peak_memory(cpu) - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert 100e6 < int(done.stdout) < 400e6
    assert peak_memory(cpu) > 0
    available = available_memory(cpu)
    assert available is None or available > 100e6
