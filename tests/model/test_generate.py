"""Generation: greedy follows the likeliest token; draws follow their seed."""

from __future__ import annotations

import torch

from noiseband.model.generate import generate
from noiseband.model.gpt import GPT, empty_model
from noiseband.model.init import initial_weights
from noiseband.study.recipe import Model

CONFIG = Model(vocabulary=64, context=8, width=16, heads=2, layers=1, dropout=0.5)


def build() -> GPT:
    model = empty_model(CONFIG)
    model.load_state_dict(initial_weights(CONFIG, "keyed", 3), assign=True)
    return model


def test_greedy_takes_the_likeliest_token_of_a_sliding_window() -> None:
    model = build()
    tokens = [1, 2, 3]
    found = generate(model, tokens, 12)
    model.eval()
    for token in found:
        logits = model(torch.tensor([tokens[-8:]]))[0, -1]
        assert token == int(logits.argmax())
        tokens.append(token)


def test_draws_repeat_with_their_seed_and_stay_within_top_k() -> None:
    model = build()
    one = generate(model, [5], 30, temperature=1.5, top_k=3, seed=1)
    assert one == generate(model, [5], 30, temperature=1.5, top_k=3, seed=1)
    assert one != generate(model, [5], 30, temperature=1.5, top_k=3, seed=2)
    model.eval()
    tokens = [5]
    for token in one:
        assert token in model(torch.tensor([tokens[-8:]]))[0, -1].topk(3).indices
        tokens.append(token)


def test_stop_ends_the_text_and_is_left_out() -> None:
    model = build()
    free = generate(model, [1], 10)
    assert generate(model, [1], 10, stop=free[4]) == free[: free.index(free[4])]


def test_training_mode_and_generator_are_left_as_they_were() -> None:
    model = build().train()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    generate(model, [1], 3, temperature=1.0, seed=9)
    assert model.training
    assert torch.equal(torch.rand(1), expected)
