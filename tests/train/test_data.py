"""The sequences that a run reads: each of its window once, in an order that the recipe decides."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from noiseband.errors import UserError
from noiseband.study.recipe import Recipe
from noiseband.train import data
from noiseband.train.data import TokenWindow
from noiseband.train.loop import train
from tests.train.conftest import MakeJob

START = 37


def recipe_of(make_job: MakeJob, order: str, **changes: int) -> Recipe:
    """A recipe of 8 steps of 8 sequences of 16 tokens, from token 37 on."""
    changed = {"data.order": order, "data.start_token": START, **changes}
    return make_job(**changed).params.recipe


def window_of(recipe: Recipe) -> TokenWindow:
    """A window of tokens that say where they are."""
    tokens = np.arange(recipe.last_token + 50, dtype=np.uint16)
    model = recipe.model.model_copy(update={"vocabulary": 2**16})
    return TokenWindow(tokens, recipe.model_copy(update={"model": model}), torch.device("cpu"))


def firsts(window: TokenWindow) -> list[int]:
    """The first token of each sequence in the order of reading."""
    recipe = window.recipe
    slots = product(range(recipe.steps), range(recipe.batch.slots))
    return [int(row[0]) for step, slot in slots for row in window.batch(step, slot)[0]]


IN_ORDER = list(range(START, START + 8 * 8 * 16, 16))


def test_in_order_the_sequences_follow_one_another(make_job: MakeJob) -> None:
    assert firsts(window_of(recipe_of(make_job, "sequential"))) == IN_ORDER


def test_shuffled_each_sequence_of_the_window_is_read_once(make_job: MakeJob) -> None:
    found = firsts(window_of(recipe_of(make_job, "shuffled")))
    assert found != IN_ORDER
    assert sorted(found) == IN_ORDER
    assert found[:4] == [709, 597, 821, 485]  # Golden: another order trains other weights.


@pytest.mark.parametrize("order", ["sequential", "shuffled"])
def test_sequences_are_contiguous_and_targets_are_the_next_tokens(
    make_job: MakeJob, order: str
) -> None:
    inputs, targets = window_of(recipe_of(make_job, order)).batch(3, 1)
    assert inputs.shape == targets.shape == (2, 16)
    assert inputs.dtype == targets.dtype == torch.int64
    assert inputs.is_contiguous()
    assert targets.is_contiguous()
    assert torch.equal(inputs, inputs[:, :1] + torch.arange(16))
    assert torch.equal(targets, inputs + 1)


@pytest.mark.parametrize("microbatch", [1, 4, 8])
def test_a_step_reads_the_same_sequences_in_slots_of_any_size(
    make_job: MakeJob, microbatch: int
) -> None:
    recipe = recipe_of(make_job, "shuffled")
    other = recipe_of(make_job, "shuffled", **{"batch.microbatch": microbatch})
    assert firsts(window_of(other)) == firsts(window_of(recipe))


def test_any_step_can_be_read_first(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of(make_job, "shuffled")
    every = firsts(window_of(recipe))
    monkeypatch.setattr(data, "BLOCK", 24)  # blocks of three steps, the last one of two
    window = window_of(recipe)
    for step in (7, 2, 3, 0, 6, 5, 7):
        found = [int(row[0]) for slot in range(4) for row in window.batch(step, slot)[0]]
        assert found == every[8 * step : 8 * step + 8]


def test_the_data_seed_and_nothing_else_decides_the_order(make_job: MakeJob) -> None:
    recipe = recipe_of(make_job, "shuffled")
    same = {"init_seed": 1, "train_seed": 2}
    assert firsts(window_of(recipe.model_copy(update=same))) == firsts(window_of(recipe))
    assert firsts(window_of(recipe.model_copy(update={"data_seed": 1}))) != firsts(
        window_of(recipe)
    )


def test_a_second_pass_over_the_window_has_an_order_of_its_own(make_job: MakeJob) -> None:
    recipe = recipe_of(make_job, "shuffled")
    again = firsts(window_of(recipe.model_copy(update={"continues": recipe.digest})))
    assert again != firsts(window_of(recipe))
    assert sorted(again) == IN_ORDER


def test_shuffling_changes_the_weights_and_the_seed_of_the_data_too(make_job: MakeJob) -> None:
    jobs = {order: make_job(order, **{"data.order": order}) for order in ("sequential", "shuffled")}
    params = jobs["shuffled"].params
    recipe = params.recipe.model_copy(update={"data_seed": 1})
    jobs["other"] = replace(
        jobs["shuffled"],
        params=params.model_copy(update={"recipe": recipe}),
        work=jobs["shuffled"].work / "other",
        out=jobs["shuffled"].out / "other",
    )
    for job in jobs.values():
        train(job)
    assert len({(job.out / "model.json").read_bytes() for job in jobs.values()}) == 3


def test_a_token_of_another_vocabulary_is_named_where_it_is(make_job: MakeJob) -> None:
    job = make_job(**{"data.order": "shuffled", "data.start_token": START})
    tokens = np.array(job.tokens)
    tokens[140] = 300
    with pytest.raises(UserError, match="token 140 of the training split is 300, but the model"):
        train(replace(job, tokens=tokens))
