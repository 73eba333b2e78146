"""Test that texts that grow together equal texts alone, bit by bit, and without a cache."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import Tensor

from noiseband.model import generate as module
from noiseband.model.attention import AttentionKind
from noiseband.model.generate import for_few_rows, generate
from noiseband.model.gpt import GPT, empty_model
from noiseband.model.init import initial_weights
from noiseband.model.sampling import GREEDY, Sampling
from noiseband.study.architecture import Model
from tests.model.uncached import uncached

KINDS: list[AttentionKind] = ["explicit", "sdpa"]
SAMPLING = Sampling(temperature=1.3, top_k=40, top_p=0.9)
PLAIN = Model(vocabulary=200, context=80, width=32, heads=2, layers=2, dropout=0.5)
VARIED = 30
"""The least number of different tokens in texts that are compared."""
MODELS = [
    PLAIN,
    PLAIN.model_copy(update={"tied": True, "qkv_bias": True}),
    # A model with an odd head width and an odd context.
    Model(vocabulary=131, context=7, width=21, heads=3, layers=1),
]


def build(config: Model, kind: AttentionKind) -> GPT:
    """A model with varied texts: its matrices are so large that every past token matters."""
    model = empty_model(config, kind)
    weights = {
        name: 4.0 * value if value.dim() > 1 else value
        for name, value in initial_weights(config, "keyed", 3).items()
    }
    model.load_state_dict(weights, assign=True)
    return model.eval()


def prompts_for(config: Model, count: int = 13) -> list[list[int]]:
    """Prompts from one token to more than the context in length, with different first tokens."""
    draw = random.Random(5)
    lengths = [1, config.context, config.context + 3]
    lengths += [draw.randint(1, config.context) for _ in range(count - len(lengths))]
    return [
        [i + 1] + [draw.randrange(config.vocabulary) for _ in range(length - 1)]
        for i, length in enumerate(lengths)
    ]


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLING], ids=["greedy", "drawn"])
@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("config", MODELS, ids=["plain", "tied, biased", "odd"])
@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_those_of_the_uncached_definition(
    kind: AttentionKind, config: Model, rows: int, sampling: Sampling
) -> None:
    model, prompts = build(config, kind), prompts_for(config)
    expected = [uncached(model, p, 30, sampling, seed=i) for i, p in enumerate(prompts)]
    assert len({token for text in expected for token in text}) >= VARIED, "the model is stuck"
    seeds = range(len(prompts))
    assert generate(model, prompts, 30, rows=rows, sampling=sampling, seeds=seeds) == expected


def test_other_layouts_and_projections_in_one_give_the_same_tokens() -> None:
    model, prompts = build(PLAIN, "explicit"), prompts_for(PLAIN)
    expected = generate(model, prompts, 30, rows=8)
    fused = empty_model(PLAIN, "explicit", fused=True)
    weights = dict(model.state_dict())
    for i in range(PLAIN.layers):
        parts = [weights.pop(f"trf_blocks.{i}.att.W_{k}.weight") for k in ("query", "key", "value")]
        weights[f"trf_blocks.{i}.att.W_qkv.weight"] = torch.cat(parts)
    fused.load_state_dict(weights, assign=True)
    assert generate(fused, prompts, 30, rows=8) == expected
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert generate(for_few_rows(model), prompts, 30, rows=8) == expected
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# Where a head's width is no multiple of 4, a product on AVX2 has other bits for other rows; in 10,
# whose heads are of 5, so has a whole layer.
SHAPES = [(10, 2, 8), (21, 3, 8), (21, 3, 16), (12, 1, 8), (32, 2, 16), (48, 4, 8), (120, 2, 8)]


class Spy:
    """Records the hidden states and logits of each text, by the text's first token."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: dict[int, list[Tensor]] = {}
        self.rows: set[int] = set()
        """Numbers of texts that grew together."""
        choose = module._Batch.choose

        def spying(batch: Any, hidden: Tensor, fits: list[bool]) -> None:
            both = torch.cat([hidden, batch.logits(hidden)], dim=1)
            self.rows.add(len(batch.texts))
            for row, text in enumerate(batch.texts):
                if fits[row] and not text.ended:
                    self.seen.setdefault(text.tokens[0], []).append(both[row])
            choose(batch, hidden, fits)

        monkeypatch.setattr(module._Batch, "choose", spying)

    def take(self) -> dict[int, Tensor]:
        seen, self.seen = self.seen, {}
        return {first: torch.stack(found) for first, found in seen.items()}


@pytest.mark.bits
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "heads", "rows"), SHAPES)
def test_a_text_has_the_same_bits_beside_any_others(
    width: int, heads: int, rows: int, kind: AttentionKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With an odd context, sliding windows have odd sizes too.
    config = Model(vocabulary=131, context=79, width=width, heads=heads, layers=1)
    model, prompts, spy = for_few_rows(build(config, kind)), prompts_for(config), Spy(monkeypatch)
    generate(model, prompts, 12, rows=rows)
    together = spy.take()
    assert len(together) == len(prompts)
    assert spy.rows == ({1} if width // heads % 4 else {rows})
    draw = random.Random(1)
    choices = [draw.sample(prompts, k) for k in (len(prompts), 5, 1)]
    for chosen in choices:
        generate(model, chosen, 12, rows=rows)
        for first, bits in spy.take().items():
            assert torch.equal(bits, together[first])


@pytest.mark.bits
@pytest.mark.parametrize("kind", KINDS)
def test_padding_contributes_nothing(kind: AttentionKind, monkeypatch: pytest.MonkeyPatch) -> None:
    model, prompts, spy = build(PLAIN, kind), prompts_for(PLAIN), Spy(monkeypatch)
    generate(model, prompts, 10, rows=8)
    usual = spy.take()

    def filled(windows: list[list[int]], length: int, device: torch.device) -> Tensor:
        return torch.tensor([window + [99] * (length - len(window)) for window in windows])

    monkeypatch.setattr(module, "_tensor", filled)
    generate(model, prompts, 10, rows=8)
    for first, bits in spy.take().items():
        assert torch.equal(bits, usual[first])


def test_draws_follow_their_own_seed() -> None:
    model = build(PLAIN, "explicit")
    one, other = generate(model, [[5], [5]], 30, rows=8, sampling=SAMPLING, seeds=[1, 2])
    assert one != other
    assert generate(model, [[9], [5]], 30, rows=8, sampling=SAMPLING, seeds=[2, 1])[1] == one


def test_stop_ends_one_text_is_left_out_and_leaves_the_others() -> None:
    model, prompts = build(PLAIN, "explicit"), prompts_for(PLAIN)
    free = generate(model, prompts, 20, rows=8)
    stop = free[3][4]
    cut = [text[: text.index(stop)] if stop in text else text for text in free]
    assert sorted(map(len, cut))[0] < 20 == max(map(len, cut))
    assert generate(model, prompts, 20, rows=8, stop=stop) == cut


def test_a_text_that_must_not_slide_ends_where_the_context_is_full() -> None:
    model, prompts = build(PLAIN, "explicit"), [[1] * 75, [2] * 80, [3]]
    free = generate(model, prompts, 20, rows=8)
    found = generate(model, prompts, 20, rows=8, slide=False)
    assert found == [free[0][:6], free[1][:1], free[2]]


def test_rows_that_would_not_be_treated_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="rows=12 is neither 1 nor a multiple of 8"):
        generate(build(PLAIN, "explicit"), [[1]], 1, rows=12)


def test_progress_counts_finished_texts() -> None:
    done: list[int] = []
    generate(build(PLAIN, "explicit"), [[1]] * 11 + [[1] * 70], 2, rows=8, report=done.append)
    assert done == [8, 11, 12]


def test_training_mode_and_generator_are_left_as_they_were() -> None:
    model = build(PLAIN, "explicit").train()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    found = generate(model, [[1]], 3, rows=1, sampling=SAMPLING, seeds=[9])
    assert model.training
    assert torch.equal(torch.rand(1), expected)
    assert found == generate(model.eval(), [[1]], 3, rows=1, sampling=SAMPLING, seeds=[9])
