"""The estimated memory is compared with the real peak of processes that train on the CPU."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.plan.memory import memory
from noiseband.train.trial import Request, trial
from tests.train.conftest import MakeJob, make_job  # noqa: F401

SHAPE: dict[str, Any] = {
    "model.width": 128, "model.heads": 4, "model.layers": 6, "model.context": 128,
    "model.dropout": 0.0, "batch.sequences": 32, "data.train_tokens": 8192,
}  # fmt: skip
PARTS: list[dict[str, Any]] = [
    {"attention": "explicit"},
    {"attention": "sdpa", "model.norm": {"kind": "rms"}, "model.positions": {"kind": "rotary"},
     "model.attention": {"kv_heads": 2, "qk_norm": True, "bias": False}, "model.tied": True,
     "model.feed_forward": {"kind": "swiglu", "bias": False}},
    {"attention": "sdpa", "model.norm": {"place": "post"},
     "model.attention": {"window": 32, "documents": True}},
    {"attention": "explicit", "model.feed_forward": {"kind": "relu2"}, "optimizer.kind": "muon"},
]  # fmt: skip


@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_a_larger_microbatch_needs_as_much_more_as_was_estimated(
    make_job: MakeJob,  # noqa: F811
    parts: dict[str, Any],
) -> None:
    peaks, estimates = [], []
    for microbatch in (2, 32):
        changes = {**SHAPE, **parts, "batch.microbatch": microbatch}
        job = make_job(str(microbatch), **changes)
        outcome = trial(Request(params=job.params, init=job.init, limit=None))
        assert outcome is not None
        peaks.append(outcome.peak_memory)
        estimates.append(memory(job.params.recipe, 1).total)
    # The difference is without what Python and the libraries need.
    assert peaks[1] - peaks[0] == pytest.approx(estimates[1] - estimates[0], rel=0.15)
