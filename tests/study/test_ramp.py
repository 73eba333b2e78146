"""How a batch grows: which steps read which sequences."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.study import StudyError, parse_study
from noiseband.study.ramp import Batches, Ramp, Stage

Data = dict[str, Any]


def test_each_smaller_batch_reads_an_equal_part() -> None:
    found = Batches.of(1000, 64, Ramp(sequences=16, share=0.3))
    # Half of 300 sequences: nine steps of 16, and four of 32; the rest are full.
    assert found.stages == (Stage(0, 0, 16), Stage(9, 144, 32), Stage(13, 272, 64))
    assert found.steps == 13 + 12  # 728 sequences are left, in 11.4 full batches
    assert [found.size(step) for step in (0, 8, 9, 12, 13, 24)] == [16, 16, 32, 32, 64, 64]
    assert [found.before(step) for step in (0, 1, 9, 10, 25)] == [0, 16, 144, 176, 1040]


def test_without_a_ramp_every_batch_is_full() -> None:
    found = Batches.of(1000, 64, Ramp())
    assert found == Batches((Stage(0, 0, 64),), 16)
    assert found.before(16) == 1024


@given(st.integers(1, 5000), st.integers(0, 5), st.integers(1, 4), st.floats(0, 0.99))
def test_steps_read_on_from_one_another(
    sequences: int, doublings: int, smallest: int, share: float
) -> None:
    size = smallest << doublings
    ramp = Ramp(sequences=smallest, share=share) if doublings else Ramp(share=share)
    found = Batches.of(sequences, size, ramp)
    places = [found.before(step) for step in range(found.steps + 1)]
    sizes = [found.size(step) for step in range(found.steps)]
    assert places[0] == 0
    assert [b - a for a, b in pairwise(places)] == sizes
    assert sizes == sorted(sizes)
    assert {size // one for one in sizes} <= {2**k for k in range(doublings + 1)}
    assert places[-2] < sequences <= places[-1]
    small = sum(one for one in sizes if one < size)
    assert small <= share * sequences


def test_tokens_and_steps_of_a_recipe(study_data: Data) -> None:
    study_data["recipe"]["batch"] = {"sequences": 8, "microbatch": 1}
    study_data["recipe"]["data"]["train_tokens"] = 1024
    plain = parse_study(study_data).runs["baseline-42"].built_in
    assert "ramp" not in plain.text
    study_data["recipe"]["batch"]["ramp"] = {"sequences": 2, "share": 0.5}
    run = parse_study(study_data).runs["baseline-42"].built_in
    assert run.digest != plain.digest
    assert (plain.steps, plain.tokens) == (8, 1024)
    # 64 sequences: 16 in steps of two, 16 in steps of four, 32 in full steps.
    assert (run.steps, run.tokens, run.stop_token) == (8 + 4 + 4, 1024, plain.stop_token)
    assert [run.tokens_before(step) for step in (8, 12)] == [256, 512]
    assert (run.batch.slots, run.batch.fewest_slots) == (8, 2)


def test_what_is_wrong_is_told_with_its_remedy(study_data: Data) -> None:
    def told(**batch: Any) -> str:
        study_data["recipe"]["batch"] = {"sequences": 8, "microbatch": 2, **batch}
        with pytest.raises(StudyError) as caught:
            parse_study(study_data)
        return "\n".join(map(str, caught.value.problems))

    for first in (1, 3, 8, 16):
        assert f"ramp.sequences={first} is not a smaller batch" in told(ramp={"sequences": first})
    assert "valid: 4, 2" in told(ramp={"sequences": 3})
    assert "valid: none" in told(microbatch=8, ramp={"sequences": 4})
    assert "is less than a step of each smaller batch; raise it" in told(
        ramp={"sequences": 4, "share": 0.01}
    )
    study_data["processes"] = 4
    assert "has 2 slots in its first step; choose a power of two" in told(ramp={"sequences": 4})
