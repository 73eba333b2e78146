"""The contenders train the same: what is compared is speed alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.contenders import HuggingFaceTrainer, Loop, Noiseband
from benchmarks.side_by_side import Contender, Measured, Pace
from benchmarks.train_throughput import check_agreement
from noiseband.study.load import parse_study
from noiseband.study.params import TrainParams
from noiseband.study.recipe import Recipe
from noiseband.study.runs import apply
from noiseband.study.seeds import run_seeds

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "biases, tied, clipped": {
        "model.qkv_bias": True,
        "model.tied": True,
        "optimizer.clip_norm": 0.3,
    },
    "schedule": {"schedule.kind": "warmup-cosine", "schedule.warmup": 0.4},
}


class Losses(Pace):
    """Keeps the losses and waits for nobody."""

    def __init__(self) -> None:
        self.losses = []

    def begin(self) -> None:
        pass

    def step(self, loss: float) -> None:
        self.losses.append(loss)


def params(study_data: dict[str, Any], changes: dict[str, Any]) -> TrainParams:
    """Of the small study's baseline without dropout, changed."""
    study = parse_study(study_data)
    run = study.runs[study.config.baseline]
    changed = apply(study.config.built_in, {"model.dropout": 0.0} | changes)
    recipe = Recipe.of(changed, run_seeds(42))
    return TrainParams.of(study, replace(run, recipe=recipe))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("other", [Loop, HuggingFaceTrainer])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_equal_weights_lose_alike_step_by_step(
    case: str, other: type[Loop] | type[HuggingFaceTrainer], attention: str, study_data: Any
) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    one = params(study_data, CASES[case])
    mine, theirs = losses(Noiseband(one.text)), losses(other(one.text, attention=attention))
    assert len(mine) == one.recipe.steps == 8
    assert theirs == pytest.approx(mine, rel=1e-5)


def losses(contender: Contender) -> list[float]:
    pace = Losses()
    contender(pace)
    return pace.losses


def test_a_contender_that_trains_something_else_ends_the_benchmark(study_data: Any) -> None:
    one = params(study_data, {})
    own, other = Measured(first_losses=[6.2, 6.1]), Measured(first_losses=[6.2, 6.101])
    check_agreement({"noiseband": own, "other": own}, one)
    with pytest.raises(SystemExit, match=r"other trains something else: step 1"):
        check_agreement({"noiseband": own, "other": other}, one)
    with pytest.raises(SystemExit, match="step 0 loses nan"):
        check_agreement({"noiseband": own, "other": Measured(first_losses=[float("nan")])}, one)
