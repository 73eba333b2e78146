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


def recipe_of(make_job: MakeJob, order: str, **changes: int | str) -> Recipe:
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


@pytest.mark.parametrize("order", ["sequential", "shuffled"])
def test_every_epoch_reads_the_same_tokens(make_job: MakeJob, order: str) -> None:
    """Of 64 sequences in three epochs, each has 22, and the last ends early."""
    recipe = recipe_of(make_job, order, **{"data.epochs": 3})
    assert recipe.last_token == START + 22 * 16 + 1
    assert recipe.tokens == 8 * 8 * 16
    found = firsts(window_of(recipe))
    epochs = found[:22], found[22:44], found[44:]
    assert sorted(epochs[0]) == sorted(epochs[1]) == IN_ORDER[:22]
    assert set(epochs[2]) < set(IN_ORDER[:22])
    assert len(set(epochs[2])) == 20
    alike = epochs[0] == epochs[1] and epochs[0][:20] == epochs[2]
    assert alike == (order == "sequential"), "shuffled, each epoch has an order of its own"


def test_any_step_of_any_epoch_can_be_read_first(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(make_job, "shuffled", **{"data.epochs": 3})
    every = firsts(window_of(recipe))
    monkeypatch.setattr(data, "BLOCK", 24)
    window = window_of(recipe)
    for step in (7, 2, 5, 0, 3):
        found = [int(row[0]) for slot in range(4) for row in window.batch(step, slot)[0]]
        assert found == every[8 * step : 8 * step + 8]


def packed_recipe(make_job: MakeJob, order: str = "sequential", **changes: int | str) -> Recipe:
    packed: dict[str, int | str] = {"data.packing": "best-fit", "data.start_token": 32}
    return recipe_of(make_job, order, **{**packed, **changes})


def packed_window(recipe: Recipe, rows: int) -> TokenWindow:
    """A window of packed sequences of 17 tokens, which say where they are in the file."""
    model = recipe.model.model_copy(update={"vocabulary": 2**16})
    changed = recipe.model_copy(update={"model": model})
    return TokenWindow(np.arange(17 * rows, dtype=np.uint16), changed, torch.device("cpu"))


@pytest.mark.parametrize("order", ["sequential", "shuffled"])
def test_packed_sequences_are_read_whole_and_share_no_token(make_job: MakeJob, order: str) -> None:
    """Token 32 is the first of the third sequence."""
    recipe = packed_recipe(make_job, order)
    window = packed_window(recipe, 66)
    inputs, targets = window.batch(3, 1)
    assert torch.equal(targets, inputs + 1)
    found = firsts(window)
    assert (found == list(range(34, 34 + 64 * 17, 17))) == (order == "sequential")
    assert sorted(found) == list(range(34, 34 + 64 * 17, 17))


def test_packed_sequences_that_are_not_there_are_refused(make_job: MakeJob) -> None:
    recipe = packed_recipe(make_job)
    assert recipe.last_token == recipe.stop_token == 66 * 16
    with pytest.raises(UserError, match="reads to token 1,056 but the packed sequences have 1,040"):
        packed_window(recipe, 65)


def test_a_packed_start_within_a_sequence_is_refused(make_job: MakeJob) -> None:
    with pytest.raises(UserError, match="start_token=30: is within a packed sequence of 16 tokens"):
        packed_recipe(make_job, "sequential", **{"data.start_token": 30})


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
