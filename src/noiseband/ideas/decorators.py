"""The decorators under which a plugin's functions are ideas (`docs/ideas.md`).

Each takes the idea's name. `import noiseband` offers them as `noiseband.feed_forward` and so on.
What a decorated function is given and returns is written at each decorator; further arguments of
the function are options, which a recipe gives as `options: {alpha: 0.5}`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

REGISTERED: dict[tuple[str, str, str], Callable[..., Any]] = {}
"""Every decorated function by its module, the part that it is, and its name."""
MEMORY: dict[Callable[..., Any], tuple[str, ...]] = {}
"""The names of what a decorated optimiser remembers."""


class Decorator(Protocol):
    """Registers a function or a class, and returns it as it is."""

    def __call__(self, function: Function, /) -> Function: ...


def feed_forward(name: str) -> Decorator:
    """A feed-forward part: `f(config) -> nn.Module`, called once for each block.

    The module maps (batch, time, width) to the same shape, each token on its own. `config` is the
    recipe's `model`, a `noiseband.Model`, with its `width`, its `hidden` width and so on.
    """
    return _registering("feed_forward", name)


def norm(name: str) -> Decorator:
    """A norm: `f(width, config) -> nn.Module`, called for each norm of the model.

    The module maps (..., width) to the same shape. The width is that of the model, or that of a
    head for a norm of queries and keys.
    """
    return _registering("norm", name)


def positions(name: str) -> Decorator:
    """A way to tell positions: `f(config) -> nn.Module`, called once for the model.

    The module has one or both of the methods

    * `embed(positions)`: from each token's position, (rows or 1, time) int64, to what is added to
      its embedding, (rows or 1, time, width);
    * `turn(heads, positions)`: from the queries and keys, (rows, time, heads, head width), to the
      same shape.
    """
    return _registering("positions", name)


def attention(name: str) -> Decorator:
    """A way to mix values: `f(config) -> nn.Module`, called once for each block.

    The module maps (query, key, value, mask) to the mixed values. A query is (rows, heads, time,
    head width), keys and values are (rows, heads, length, head width), and the mask is (rows or 1,
    1, time, length) float32, 0 where a token may look and -inf elsewhere. The result has the shape
    of the query. While a model generates, `time` is the number of new tokens, and `length` that of
    all tokens so far.
    """
    return _registering("attention", name)


def optimizer(name: str, memory: Sequence[str] = ()) -> Decorator:
    """An optimiser: `f(weight, gradient, memory, learning_rate, weight_decay, update)`, which
    changes one parameter in place.

    Args:
        name: the idea's name.
        memory: names of what it remembers of each parameter. `memory[name]` is a float32 tensor of
            the parameter's shape, zero at first, which the function changes in place or assigns.
            Checkpoints hold it. There is no other memory.

    `update` counts the updates from 1. The gradient is clipped already.
    """

    def register(function: Function) -> Function:
        MEMORY[function] = tuple(memory)
        return _registering("optimizer", name)(function)

    return register


def schedule(name: str) -> Decorator:
    """A schedule: `f(step, steps) -> float`, the learning rate of a step, counted from 0, as a
    multiple of the peak."""
    return _registering("schedule", name)


def loss(name: str) -> Decorator:
    """What training minimises the mean of: `f(logits, targets) -> Tensor`, a value for each token.

    Logits are (tokens, vocabulary) float32, targets (tokens,) int64, values (tokens,). Traces and
    test losses still have the plain cross-entropy, which runs with different losses share.
    """
    return _registering("loss", name)


def metric(name: str) -> Decorator:
    """An outcome of a trained model: `f(logits, targets) -> Tensor`, a value for each token.

    Shapes are those of `loss`. The metric is the mean over the tokens of an evaluation's window.
    """
    return _registering("metric", name)


def _registering(part: str, name: str) -> Decorator:
    def register(function: Function) -> Function:
        REGISTERED[function.__module__, part, name] = function
        return function

    return register
