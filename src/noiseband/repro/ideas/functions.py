"""Whether an idea is the function that it should be: its gradient, and what it depends on."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.ideas.load import idea
from noiseband.model.gpt import GPT, empty_model
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

Report = Callable[[str, str | None], None]


def check_function(subject: Subject, report: Report) -> None:
    """Check what an idea computes, in float64, and report each check's name and finding.

    Raises UserError if the idea fails.
    """
    torch.manual_seed(0)
    if subject.idea.part in IN_MODEL:
        _check_in_model(subject.recipe.model, report)
    elif subject.idea.part in ("loss", "metric"):
        _check_values(subject, report)


def _check_in_model(config: Model, report: Report) -> None:
    config = config.model_copy(update={"dropout": 0.0})
    model = _model(config)
    tokens = torch.randint(BYTES, (4, config.context))

    def loss() -> Tensor:
        torch.manual_seed(0)
        logits: Tensor = model(tokens)
        return logits.square().mean()

    repeated = _check_gradient(dict(model.named_parameters()), loss, report)
    model.eval()
    with torch.no_grad():
        torch.manual_seed(0)
        whole = model(tokens)
        if not torch.equal(model(tokens), whole):
            if repeated:
                report("called in eval mode", REPEATED)
            return
        alone = model(tokens[:1])
        report("other sequences", None if _close(alone, whole[:1]) else BATCH)
        other = tokens.clone()
        other[:, -1] = (other[:, -1] + 1) % BYTES
        early = slice(None, -1)
        causal = _close(model(other)[:, early], whole[:, early])
        report("later tokens", None if causal else CAUSAL)
        if causal:
            same = _close(_token_by_token(model, tokens), whole)
            report("token by token", None if same else GENERATION)


def _model(config: Model) -> GPT:
    """A model in float64 whose weights are the initial ones, each a little changed, so that none is
    zero."""
    model = empty_model(config)
    weights = {
        name: value.double() + 0.02 * torch.randn(value.shape, dtype=torch.float64)
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


def _check_values(subject: Subject, report: Report) -> None:
    """Check a loss or a metric: a value for each token, from its row alone."""
    part = subject.idea.part
    recipe = subject.recipe
    plugins = recipe.plugins or {subject.plugin.path: subject.plugin.sha256}
    function = idea(part, subject.name, plugins)
    logits = torch.randn(12, BYTES, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(BYTES, (12,))

    def values() -> Tensor:
        torch.manual_seed(0)
        found = function(logits, targets, **subject.options)
        if not isinstance(found, Tensor) or found.shape != targets.shape:
            raise UserError(f"{subject.name}: should return a value for each token, (tokens,)")
        return found

    whole = values().detach()
    with torch.no_grad():
        alone = function(logits[:1], targets[:1], **subject.options)
    report("other tokens", None if _close(alone, whole[:1]) else ROWS)
    if part == "loss":
        _check_gradient({"logits": logits}, lambda: values().mean(), report)


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

    For each tensor, the derivative along a random direction is compared with differences: first
    with a small step, in which no kink is crossed, and then with larger ones, which an idea that
    computes in float32 needs.
    """
    gradients = torch.autograd.grad(loss(), list(tensors.values()), allow_unused=True)
    for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True):
        direction = torch.randn(tensor.shape, dtype=torch.float64)
        found = 0.0 if gradient is None else float((gradient * direction).sum())
        size = 0.0 if gradient is None else float(gradient.norm())
        expected = math.nan
        for step, tolerance in ((1e-5, 1e-4), (1e-4, 1e-3), (1e-3, 2e-2), (1e-2, 3e-2)):
            expected = _slope(tensor, direction, step, loss)
            if abs(found - expected) <= tolerance * max(abs(expected), size) + 1e-9:
                break
        else:
            return GRADIENT.format(where=name, found=found, expected=expected)
    return None


@torch.no_grad()
def _slope(tensor: Tensor, direction: Tensor, step: float, loss: Callable[[], Tensor]) -> float:
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
