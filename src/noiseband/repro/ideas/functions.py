"""Whether an idea is the function that it should be: its gradient, and what it depends on."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from noiseband.ideas.load import idea
from noiseband.model.gpt import GPT, empty_model
from noiseband.model.ideas import checked_values
from noiseband.model.init import initial_weights
from noiseband.repro.ideas.subject import BYTES, IN_MODEL, Subject
from noiseband.study.architecture import Model

REPEATED = (
    "Called twice with the same seed, it computes two things, so no gradient of it was checked. It "
    "has randomness that noiseband does not seed, or it counts its calls. Draw by PyTorch's "
    "default generator, and keep nothing from one call to the next."
)
GRADIENT = (
    "Along a random direction of {where}, backward gives {found:.6g}, and differences give "
    "{expected:.6g}. Causes: an autograd.Function with a wrong backward, a tensor that was changed "
    "in place or detached, or a parameter that is used through .data. If it is meant, as in a "
    "straight-through estimator, it is no fault."
)
NOT_FINITE = (
    "It computes values that are infinite or not a number, so nothing else of it was checked. Look "
    "for a root or a logarithm of what is not positive, a division by zero, or a softmax of "
    "nothing but -inf."
)
NO_GRADIENT = (
    "Backward gives {found} along a random direction of {where}, though the values are numbers. "
    "Look for a root or a norm at zero, or for torch.where over a value that is not a number."
)
RANDOM = (
    "In eval mode it draws random numbers, so losses and answers of a trained model change from "
    "call to call. Draw only while self.training is true."
)
BATCH = (
    "What it computes for a sequence changes with the other sequences of the batch, as in a norm "
    "over the batch. Losses and answers would then depend on how they were batched. Compute each "
    "sequence on its own."
)
CAUSAL = (
    "What it computes for a token changes with later tokens, so the model sees what it is to "
    "predict, and its losses mean nothing. Compute each token from itself and those before."
)
GENERATION = (
    "Token by token, as when a model generates, it computes something else than for the whole text "
    "at once. It has to follow from the tokens, and from the positions and the mask that it is "
    "given, not from the length of its input."
)
ROWS = (
    "The value of a token changes with the other tokens that it is computed with. Compute each "
    "row's value from that row of logits and its target alone."
)

STEPS = (
    (1e-7, 1e-4), (1e-6, 1e-4), (1e-5, 1e-4), (1e-4, 1e-3), (3e-4, 2e-2), (1e-3, 2e-2), (1e-2, 3e-2)
)  # fmt: skip
"""Steps of differences, each with the share of the derivative by which it may be off."""
SETTLED = 0.01
"""The share of the derivative by which the differences of two steps may differ."""

Report = Callable[[str, str | None], None]


def check_function(subject: Subject, report: Report) -> None:
    """Check what an idea computes, and report each check's name and finding.

    It is computed in float64, or in float32 if that fails: an idea may need float32 inputs.

    Raises UserError if the idea fails.
    """
    try:
        found = _findings(subject, torch.float64)
    except Exception:
        found = _findings(subject, torch.float32)
    for name, finding in found.items():
        report(name, finding)


def _findings(subject: Subject, dtype: torch.dtype) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    torch.manual_seed(0)
    if subject.idea.part in IN_MODEL:
        _check_in_model(subject.recipe.model, dtype, found.__setitem__)
    elif subject.idea.part in ("loss", "metric"):
        _check_values(subject, dtype, found.__setitem__)
    return found


def _check_in_model(config: Model, dtype: torch.dtype, report: Report) -> None:
    config = config.model_copy(update={"dropout": 0.0})
    model = _model(config, dtype)
    tokens = torch.randint(BYTES, (4, config.context))

    def loss() -> Tensor:
        return _logits(model, tokens).double().square().mean()

    with torch.no_grad():
        finite = all(
            bool(_logits(model.train(mode), tokens).isfinite().all()) for mode in (True, False)
        )
    report("finite values", None if finite else NOT_FINITE)
    if not finite:
        return
    model.train()
    repeated = _check_gradient(dict(model.named_parameters()), loss, report)
    with torch.no_grad():
        modes = [True] if repeated and not _random(model, tokens) else []
        model.eval()
        if not torch.equal(_logits(model, tokens), _logits(model, tokens)):
            if repeated:
                report("called in eval mode", REPEATED)
        elif _random(model, tokens):
            report("called in eval mode", RANDOM)
        else:
            modes.append(False)
        if modes and _check_dependence(model, tokens, modes, report) and False in modes:
            same = _close(_token_by_token(model.eval(), tokens), _logits(model, tokens))
            report("token by token", None if same else GENERATION)


def _logits(model: GPT, tokens: Tensor, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    logits: Tensor = model(tokens)
    return logits


def _random(model: GPT, tokens: Tensor) -> bool:
    """Whether the logits, which are the same with the same seed, change with it."""
    return not torch.equal(_logits(model, tokens), _logits(model, tokens, seed=1))


def _check_dependence(model: GPT, tokens: Tensor, modes: list[bool], report: Report) -> bool:
    """Check that logits follow from a token and those before it, in training mode if `modes` has
    True, and in eval mode if it has False; return whether no later token matters."""
    other = tokens.clone()
    other[:, -1] = (other[:, -1] + 1) % BYTES
    early = slice(None, -1)
    alone, causal = True, True
    for mode in modes:
        whole = _logits(model.train(mode), tokens)
        alone &= _close(_logits(model, tokens[:1]), whole[:1])
        causal &= _close(_logits(model, other)[:, early], whole[:, early])
    report("other sequences", None if alone else BATCH)
    report("later tokens", None if causal else CAUSAL)
    return causal


def _model(config: Model, dtype: torch.dtype) -> GPT:
    """A model whose weights are the initial ones, each a little changed, so that none is
    zero."""
    model = empty_model(config)
    weights = {
        name: value.to(dtype) + 0.02 * torch.randn(value.shape, dtype=dtype)
        for name, value in initial_weights(config, "keyed", 0).items()
    }
    model.load_state_dict(weights, assign=True)
    return model


def _token_by_token(model: GPT, tokens: Tensor) -> Tensor:
    """The logits of all tokens, read one after another."""
    rows, time = tokens.shape
    past = model.no_past(rows, time)
    found = []
    for place in range(time):
        mask = torch.zeros(1, 1, 1, place + 1)
        positions = torch.tensor([[place]])
        found.append(model.extend(past, tokens[:, place : place + 1], positions, mask))
    return model.logits(torch.cat(found, dim=1))


def _check_values(subject: Subject, dtype: torch.dtype, report: Report) -> None:
    """Check a loss or a metric: a value for each token, from its row alone."""
    part = subject.idea.part
    recipe = subject.recipe
    plugins = recipe.plugins or {subject.plugin.path: subject.plugin.sha256}
    function = idea(part, subject.name, plugins)
    logits = torch.randn(12, BYTES, dtype=dtype, requires_grad=True)
    targets = torch.randint(BYTES, (12,))

    def values(rows: int = 12, seed: int = 0) -> Tensor:
        torch.manual_seed(seed)
        trained = part == "loss" and torch.is_grad_enabled()
        found = function(logits[:rows], targets[:rows].clone(), **subject.options)
        return checked_values(subject.name, found, targets[:rows], trained)

    whole = values().detach()
    finite = bool(whole.isfinite().all())
    report("finite values", None if finite else NOT_FINITE)
    if not finite:
        return
    if torch.equal(values(), whole) and torch.equal(values(seed=1), whole):
        # What it draws at random for a token may follow from the number of tokens.
        report("other tokens", None if _close(values(rows=1), whole[:1]) else ROWS)
    if part == "loss":
        _check_gradient({"logits": logits}, lambda: values().double().mean(), report)


def _check_gradient(tensors: dict[str, Tensor], loss: Callable[[], Tensor], report: Report) -> bool:
    """Check that a loss is the same twice, and then its gradient; return whether it is the same."""
    with torch.no_grad():
        repeated = torch.equal(loss(), loss())
    report("called again", None if repeated else REPEATED)
    if repeated:
        report("gradient", _wrong_gradient(tensors, loss))
    return repeated


def _wrong_gradient(tensors: dict[str, Tensor], loss: Callable[[], Tensor]) -> str | None:
    """What is wrong with the gradient with respect to some tensor; None if all are right.

    For each tensor, the derivative along a random direction is compared with differences.
    """
    gradients = torch.autograd.grad(loss(), list(tensors.values()), allow_unused=True)
    for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True):
        direction = torch.randn(tensor.shape, dtype=tensor.dtype)
        found = 0.0 if gradient is None else float((gradient * direction).sum())
        size = 0.0 if gradient is None else float(gradient.norm())
        if not math.isfinite(found):
            return NO_GRADIENT.format(where=name, found=found)
        slope = partial(_slope, tensor, direction, loss)
        expected = _otherwise(found, size, slope)
        if expected is not None:
            return GRADIENT.format(where=name, found=found, expected=expected)
    return None


def _otherwise(found: float, size: float, slope: Callable[[float], float]) -> float | None:
    """The derivative by differences, if it is another one than backward found; else None.

    Differences have first a small step, in which no kink is crossed, and then larger ones, which an
    idea that computes in float32 needs. They say nothing while those of two steps differ: then they
    cross a jump, such as another choice of a router, or are only rounding.
    """
    wrong, last = None, math.nan
    for step, tolerance in STEPS:
        now = slope(step)
        if abs(found - now) <= tolerance * max(abs(now), size) + 1e-9:
            return None
        if abs(last - now) <= SETTLED * max(abs(now), size):
            wrong = now
        last = now
    return wrong


@torch.no_grad()
def _slope(tensor: Tensor, direction: Tensor, loss: Callable[[], Tensor], step: float) -> float:
    """The derivative along a direction, by central differences of the fourth order."""
    before = tensor.detach().clone()

    def at(factor: float) -> float:
        tensor.copy_(before + factor * step * direction)
        return float(loss())

    slope = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)
    tensor.copy_(before)
    return slope


def _close(one: Tensor, other: Tensor) -> bool:
    """Whether tensors are equal but for rounding, in float32 at most."""
    return torch.allclose(one, other, rtol=1e-5, atol=1e-6)
