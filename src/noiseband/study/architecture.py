"""The parts of a model, each a section of its own with its neutral values."""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from noiseband.study.plugins import BUILT_IN, EITHER, IDEA, is_idea
from noiseband.study.section import (
    ADDED,
    FixedMapping,
    Fraction,
    Positive,
    Section,
    canonical_json,
)


class Norm(Section):
    """The norms of a model."""

    kind: Annotated[Annotated[Literal["layer", "rms"], BUILT_IN] | IDEA, EITHER, ADDED] = "layer"
    """`layer` is LayerNorm, `rms` is RMSNorm; or an idea of `plugins`."""
    options: Annotated[FixedMapping, ADDED] = {}
    """The options of an idea."""
    eps: Annotated[float, Field(gt=0), ADDED] = 1e-5
    """Constant added to the variance or to the mean square."""
    weight: Annotated[bool, ADDED] = True
    """Whether a norm multiplies each number by a parameter."""
    bias: Annotated[bool, ADDED] = True
    """Whether a LayerNorm adds a parameter to each number. An RMSNorm adds none."""
    place: Annotated[Literal["pre", "post"], ADDED] = "pre"
    """`pre`: before each part of a block and before the head. `post`: after each part's output was
    added to the residual stream, and not before the head."""
    embedding: Annotated[bool, ADDED] = False
    """Whether there is also one after the embeddings."""


class Positions(Section):
    """How a model knows where a token is."""

    kind: Annotated[
        Annotated[Literal["learned", "rotary", "none"], BUILT_IN] | IDEA, EITHER, ADDED
    ] = "learned"
    """`learned` is an embedding for each position, added to that of the token; `rotary` rotates
    queries and keys (Su and others 2021); `none` leaves it to the causal mask; or an idea of
    `plugins`."""
    options: Annotated[FixedMapping, ADDED] = {}
    """The options of an idea."""
    base: Annotated[float, Field(gt=1), ADDED] = 10000.0
    """Base of the wavelengths of `rotary`."""
    share: Annotated[float, Field(gt=0, le=1), ADDED] = 1.0
    """Share of a head's width, from its start, that `rotary` rotates."""


class AttentionPart(Section):
    """The attention parts of a model."""

    kind: Annotated[Annotated[Literal["softmax"], BUILT_IN] | IDEA, EITHER, ADDED] = "softmax"
    """How values are mixed: `softmax` of the scores of queries and keys, or an idea of `plugins`,
    which needs `attention: explicit`."""
    options: Annotated[FixedMapping, ADDED] = {}
    """The options of an idea."""
    kv_heads: Annotated[Positive | None, ADDED] = None
    """Number of heads of keys and values, each for an equal group of the queries' heads; null means
    that every head has its own. It must divide `heads`."""
    head_width: Annotated[Positive | None, ADDED] = None
    """Width of a head; null means `width` divided by `heads`."""
    bias: Annotated[bool, ADDED] = True
    """Whether the output projection has a bias; `qkv_bias` is for the other projections."""
    qk_norm: Annotated[bool, ADDED] = False
    """Whether each head's queries and keys are normalised, before positions rotate them, by a norm
    of the model's kind."""
    window: Annotated[Positive | None, ADDED] = None
    """Number of tokens that a token sees, itself included; null means all up to itself."""
    full_every: Annotated[Positive | None, ADDED] = None
    """Every layer whose number is a multiple of this has no window; null means that all have."""
    softcap: Annotated[float | None, Field(gt=0), ADDED] = None
    """Limit c of the scores before the softmax, c tanh(score / c). It needs `attention: explicit`.
    """
    documents: Annotated[bool, ADDED] = False
    """Whether a token sees only tokens of its own document, up to and with its end of text."""
    end_of_text: Annotated[Annotated[int, Field(ge=0)] | None, ADDED] = None
    """With `documents`: id of the end of text, equal to the tokenizer's; null means the last id."""

    @model_validator(mode="after")
    def _ends_are_of_documents(self) -> AttentionPart:
        if self.end_of_text is not None and not self.documents:
            raise ValueError(
                f"end_of_text={self.end_of_text} without documents changes nothing; set documents: "
                "true or remove it"
            )
        return self

    @model_validator(mode="after")
    def _full_layers_need_a_window(self) -> AttentionPart:
        if self.full_every is not None and self.window is None:
            raise ValueError(
                f"full_every={self.full_every} without a window changes nothing; give `window` or "
                "remove it"
            )
        return self


class FeedForward(Section):
    """The feed-forward part of each block."""

    kind: Annotated[
        Annotated[Literal["gelu-tanh", "gelu", "relu2", "swiglu", "geglu"], BUILT_IN] | IDEA,
        EITHER,
        ADDED,
    ] = "gelu-tanh"
    """The activation: GELU by its tanh approximation or exact, the square of ReLU, or a gated
    product (`swiglu`, and `geglu` with the exact GELU), which has a third matrix; or an idea of
    `plugins`."""
    options: Annotated[FixedMapping, ADDED] = {}
    """The options of an idea."""
    multiple: Annotated[float, Field(gt=0), ADDED] = 4.0
    """The hidden width as a multiple of `width`."""
    hidden: Annotated[Positive | None, ADDED] = None
    """The hidden width as a number, instead of `multiple`."""
    bias: Annotated[bool, ADDED] = True
    """Whether its linear layers have biases."""

    @property
    def gated(self) -> bool:
        """Whether the activation multiplies a second product."""
        return self.kind in ("swiglu", "geglu")


class InitialWeights(Section):
    """The distributions that initial weights are drawn from; `init` says by which generator."""

    kind: Annotated[Literal["torch", "gpt2"], ADDED] = "torch"
    """`torch`: PyTorch's defaults, N(0, 1) for embeddings and U(+-1/sqrt(inputs)) for linear
    layers. `gpt2`: N(0, std) for all weights, divided by sqrt(2 x layers) for the last layer of
    each part of a block, and zero biases."""
    std: Annotated[float, Field(gt=0), ADDED] = 0.02
    """Standard deviation of `gpt2`."""
    zero_residual: Annotated[bool, ADDED] = False
    """Whether the last layer of each part of a block is zero, so that a block begins as the
    identity."""
    zero_head: Annotated[bool, ADDED] = False
    """Whether the output head is zero, so that all tokens are equally likely at the start."""


class Model(Section):
    """A decoder: a GPT-2, unless other parts are chosen."""

    vocabulary: Positive
    """Number of token ids including end-of-text, equal to the tokenizer's."""
    context: Positive
    """Sequence length in tokens, and the number of learned positions."""
    width: Positive
    """Width of the residual stream."""
    heads: Positive
    """Number of attention heads; must divide `width` unless `attention.head_width` is given."""
    layers: Positive
    """Number of transformer blocks."""
    dropout: Fraction = 0.1
    """Dropout probability for summed embeddings, attention weights and each residual branch."""
    qkv_bias: bool = False
    """Whether the query, key and value projections have biases."""
    tied: bool = False
    """Whether the output head shares the weights of the token embedding."""
    norm: Annotated[Norm, ADDED] = Norm()
    """The norms."""
    positions: Annotated[Positions, ADDED] = Positions()
    """The positions."""
    attention: Annotated[AttentionPart, ADDED] = AttentionPart()
    """The attention parts."""
    feed_forward: Annotated[FeedForward, ADDED] = FeedForward()
    """The feed-forward parts."""
    embedding_scale: Annotated[float, Field(gt=0), ADDED] = 1.0
    """Number by which token embeddings are multiplied."""
    logit_softcap: Annotated[float | None, Field(gt=0), ADDED] = None
    """Limit c of the logits, c tanh(logit / c); null means none."""
    initial_weights: Annotated[InitialWeights, ADDED] = InitialWeights()
    """The distributions of initial weights."""
    plugins: Annotated[FixedMapping, ADDED] = {}
    """The files of `plugins` with ideas that the model uses, each with the digest of its code, as
    noiseband fills it in. Not to be written in a config."""

    @model_validator(mode="after")
    def _hidden_width_is_a_whole_number(self) -> Model:
        asked = self.feed_forward.multiple * self.width
        if self.feed_forward.hidden is None and (abs(asked - round(asked)) > 1e-6 or asked < 1):
            raise ValueError(
                f"feed_forward.multiple={self.feed_forward.multiple} x width={self.width} is no "
                f"whole number; write feed_forward.hidden: {max(round(asked), 1)}"
            )
        return self

    @model_validator(mode="after")
    def _heads_fit(self) -> Model:
        if self.attention.head_width is None and self.width % self.heads:
            raise ValueError(
                f"heads={self.heads} does not divide width={self.width}; "
                f"nearest that do: {nearest_divisors(self.width, self.heads)}"
            )
        if self.heads % self.kv_heads:
            raise ValueError(
                f"attention.kv_heads={self.kv_heads} does not divide heads={self.heads}; "
                f"nearest that do: {nearest_divisors(self.heads, self.kv_heads)}"
            )
        asked = self.positions.share * self.head_width
        if self.positions.kind == "rotary" and (abs(asked - self.rotated) > 1e-6 or not asked >= 2):
            raise ValueError(
                f"positions.share={self.positions.share} of a head's width {self.head_width} is no "
                f"even number; write positions.share: {max(self.rotated, 2) / self.head_width}, or "
                "an even attention.head_width"
            )
        return self

    @model_validator(mode="after")
    def _a_tied_head_is_not_zero(self) -> Model:
        if self.tied and self.initial_weights.zero_head:
            raise ValueError(
                "initial_weights.zero_head with tied: true would make the embedding zero, which "
                "cannot be trained; remove one of them"
            )
        return self

    @property
    def hidden(self) -> int:
        """The hidden width of the feed-forward part."""
        return self.feed_forward.hidden or round(self.feed_forward.multiple * self.width)

    @property
    def kv_heads(self) -> int:
        """Number of heads of keys, and of values."""
        return self.attention.kv_heads or self.heads

    @property
    def head_width(self) -> int:
        """Width of an attention head."""
        return self.attention.head_width or self.width // self.heads

    @property
    def end_of_text(self) -> int:
        """Id of the token that ends a document, for `attention.documents`."""
        given = self.attention.end_of_text
        return self.vocabulary - 1 if given is None else given

    @property
    def rotated(self) -> int:
        """How many numbers of each head rotary positions rotate: an even number."""
        return 2 * round(self.positions.share * self.head_width / 2)

    @property
    def windows(self) -> list[int | None]:
        """The window of each layer; None where a token sees all tokens up to itself."""
        part = self.attention
        return [
            None if part.full_every and layer % part.full_every == 0 else part.window
            for layer in range(1, self.layers + 1)
        ]

    @property
    def initial(self) -> Model:
        """The model with a fixed value for everything that its initial weights do not depend on."""
        part = self.attention
        usual = self.head_width * self.heads == self.width
        drawn = self.initial_weights
        if drawn.kind == "torch":
            drawn = drawn.model_copy(update={"std": InitialWeights().std})
        changes = {
            "dropout": 0.0,
            "norm": self._initial_norm,
            "positions": self._initial_positions,
            "attention": AttentionPart(
                kv_heads=None if self.kv_heads == self.heads else self.kv_heads,
                head_width=None if usual else self.head_width,
                bias=part.bias,
                qk_norm=part.qk_norm,
                **_chosen(part),
            ),
            "feed_forward": self._initial_feed_forward,
            "embedding_scale": 1.0,
            "logit_softcap": None,
            "initial_weights": drawn,
        }
        return self.model_copy(update=changes)

    @property
    def _initial_norm(self) -> Norm:
        if is_idea(self.norm.kind):
            return self.norm
        biases = self.norm.bias or self.norm.kind == "rms"
        return self.norm.model_copy(update={"eps": Norm().eps, "bias": biases})

    @property
    def _initial_positions(self) -> Positions:
        if is_idea(self.positions.kind):
            return self.positions
        return Positions(kind="learned" if self.positions.kind == "learned" else "none")

    @property
    def _initial_feed_forward(self) -> FeedForward:
        if is_idea(self.feed_forward.kind):
            return self.feed_forward
        hidden = None if self.hidden == 4 * self.width else self.hidden
        kind: Literal["swiglu", "gelu-tanh"] = "swiglu" if self.feed_forward.gated else "gelu-tanh"
        return FeedForward(kind=kind, hidden=hidden, bias=self.feed_forward.bias)

    @property
    def architecture(self) -> str:
        """A readable name for everything that initial weights depend on, and so without dropout.

        Its last part stands for parts that a GPT-2 does not have, if there are any.
        """
        shape = {"vocabulary", "context", "width", "heads", "layers", "dropout", "qkv_bias", "tied"}
        parts = self.initial.model_dump(exclude=shape)
        digest = hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:8]
        flags = [
            *(["qkv"] if self.qkv_bias else []),
            *(["tied"] if self.tied else []),
            *([digest] if parts else []),
        ]
        return (
            f"v{self.vocabulary}-c{self.context}-w{self.width}-h{self.heads}-l{self.layers}"
            + "".join(f"-{flag}" for flag in flags)
        )


def _chosen(part: AttentionPart) -> dict[str, Any]:
    """The kind and the options of an idea, which may have parameters; empty for other kinds."""
    return {"kind": part.kind, "options": part.options} if is_idea(part.kind) else {}


def nearest_divisors(number: int, wanted: int) -> str:
    """The three divisors nearest to `wanted`. For a number above 10^10, only divisors up to 10^5
    and their cofactors are considered."""
    low = [d for d in range(1, min(math.isqrt(number), 10**5) + 1) if number % d == 0]
    valid = {*low, *(number // d for d in low)}
    return ", ".join(map(str, sorted(sorted(valid, key=lambda d: (abs(d - wanted), d))[:3])))
