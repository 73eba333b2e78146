"""Models that others trained, which a study compares its runs with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from noiseband.study.corpora import Tokenizer
from noiseband.study.problems import Problem, check_place, nearest, pinned
from noiseband.study.recipe import BaselineRecipe, Model, Section

KNOWN_MODELS = {
    name: Model(
        vocabulary=50257,
        context=1024,
        width=width,
        heads=heads,
        layers=layers,
        qkv_bias=True,
        tied=True,
    )
    for name, width, heads, layers in [
        ("gpt2", 768, 12, 12),
        ("gpt2-medium", 1024, 16, 24),
        ("gpt2-large", 1280, 20, 36),
        ("gpt2-xl", 1600, 25, 48),
    ]
}
"""Shapes of the published GPT-2 models."""


def _shape(value: Any) -> Any:
    """A published model's name stands for its shape."""
    if not isinstance(value, str):
        return value
    if value not in KNOWN_MODELS:
        raise ValueError(f"no such model; {nearest(value, KNOWN_MODELS)} or give its shape")
    return KNOWN_MODELS[value]


Known = Literal["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"]
Shape = Annotated[Model, BeforeValidator(_shape, json_schema_input_type=Model | Known)]


class Pretrained(Section):
    """Weights that others trained, to compare the runs with: evaluated, fine-tuned and judged as
    they are, and no part of any verdict. On the Hub or in a folder: a `GPT2LMHeadModel`, which a
    published run is too, or weights by the reference's names. `noiseband import` writes the entry.
    """

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    """Repository on the Hub, as owner/name."""
    revision: str | None = None
    """Its commit, 40 hex digits."""
    path: str | None = None
    """Instead of `repo`: a folder with the same files."""
    layout: Literal["gpt2", "reference"] = "gpt2"
    """`gpt2` for a GPT2LMHeadModel, whose config.json is checked; `reference` for weights by the
    reference's names (`tok_emb.weight`, ...), with no config."""
    file: Annotated[str, Field(pattern=r"^[\w][\w./-]*\.safetensors$")] = "model.safetensors"
    """The file of its weights."""
    model: Shape
    """Its shape, or the name of a published one. Positions beyond the baseline's context are not
    used, so that all models see the same windows."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the file of its weights, checked if given."""
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Digest of its weights by the reference's names, at its full context (`model.json` of a
    published run), checked if given."""

    @field_validator("file")
    @classmethod
    def _inside(cls, value: str) -> str:
        if ".." in value.split("/"):
            raise ValueError("leaves the folder of the model; name a file inside it")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Pretrained:
        check_place(self.repo, self.path, self.revision)
        if self.revision is not None and not pinned(self.revision):
            raise ValueError(
                f"revision={self.revision} may move; give the commit's 40 hex digits (on the "
                "Hub's page of the repository, under History)"
            )
        return self


@dataclass(frozen=True)
class PretrainedModel:
    """A model that others trained. It is measured as the baseline is."""

    name: str
    source: Pretrained
    baseline: BaselineRecipe

    @property
    def model(self) -> Model:
        """Its shape, cut to the baseline's context."""
        return self.source.model.model_copy(update={"context": self.baseline.model.context})

    @property
    def corpus(self) -> str:
        """The baseline's corpus, whose token ids it knows."""
        return self.baseline.data.corpus

    @property
    def attention(self) -> Literal["explicit", "sdpa"]:
        return self.baseline.attention


def check_pretrained(
    recipe: BaselineRecipe, tokenizer: Tokenizer, pretrained: Mapping[str, Pretrained]
) -> list[Problem]:
    """Each must read the baseline's tokens, in windows as long as the baseline's."""
    problems: list[Problem] = []
    for name, one in pretrained.items():
        key, known = f"pretrained.{name}.model", one.model in KNOWN_MODELS.values()
        if one.model.vocabulary != tokenizer.size or (known and tokenizer.kind != "gpt2"):
            remedy = (
                f"has {one.model.vocabulary:,} token ids{' of GPT-2' if known else ''}, but the "
                f"tokenizer of corpus {recipe.data.corpus} is {tokenizer.kind} with "
                f"{tokenizer.size:,}; compare it in a study whose tokenizer is its own"
            )
            problems.append(Problem(key, None, remedy))
        if one.model.context < recipe.model.context:
            remedy = (
                f"its context {one.model.context:,} is shorter than the baseline's "
                f"{recipe.model.context:,}, so that their losses do not compare; leave it out"
            )
            problems.append(Problem(key, None, remedy))
    return problems
