"""The contenders measure the same loss: what is compared is speed alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.side_by_side import Measured
from benchmarks.test_loss import Own, Plan, Transformers, check_agreement, params_of
from noiseband.study.load import parse_study
from tests.benchmarks.test_contenders import losses

PLAN = Plan({"model.vocabulary": 300}, rounds=1, block=1)


@pytest.mark.parametrize("attention", ["explicit", "sdpa"])
@pytest.mark.parametrize("changes", [{}, {"model.qkv_bias": True, "model.tied": True}])
def test_equal_weights_have_the_same_loss_batch_by_batch(
    attention: str, changes: dict[str, Any], study_data: Any
) -> None:
    pytest.importorskip("transformers")
    plan = replace(PLAN, changes={**PLAN.changes, **changes})
    params = params_of(parse_study(study_data), plan, attention)
    # With dropout in the recipe: neither may use it.
    assert params.recipe.model.dropout == 0.1
    mine = losses(Own(params.text))
    assert len(mine) == params.recipe.steps == 8
    assert len(set(mine)) == 8
    for kind in ("eager", "sdpa"):
        theirs = losses(Transformers(params.text, attention=kind))
        assert theirs == pytest.approx(mine, rel=1e-6)


def test_a_contender_that_measures_something_else_ends_the_benchmark() -> None:
    own, other = Measured(first_losses=[6.2, 6.1]), Measured(first_losses=[6.2, 6.1001])
    check_agreement({"own": own, "same": own}, 1e-5)
    with pytest.raises(SystemExit, match=r"other: the loss of batch 1 is 6\.1001, not 6\.1"):
        check_agreement({"own": own, "other": other}, 1e-5)
