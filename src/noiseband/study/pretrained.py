"""Pretrained models, with which a study compares its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from noiseband.errors import nearest
from noiseband.study.architecture import Model
from noiseband.study.hub_classes import CLASSES, beyond_hub, hub_class
from noiseband.study.problems import Problem, check_place, pinned
from noiseband.study.recipe import BaselineRecipe
from noiseband.study.section import Section
from noiseband.study.tokenizers import OwnTokenizer

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
    """Replace a published model's name by its shape."""
    if not isinstance(value, str):
        return value
    if value not in KNOWN_MODELS:
        raise ValueError(f"no such model; {nearest(value, KNOWN_MODELS)} or give its shape")
    return KNOWN_MODELS[value]


PretrainedLayout = Literal["gpt2", "llama", "reference"]


Known = Literal["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"]
Shape = Annotated[Model, BeforeValidator(_shape, json_schema_input_type=Model | Known)]


class Pretrained(Section):
    """A model trained elsewhere, to compare the runs with. It is evaluated, fine-tuned and judged
    like them, but is not part of any verdict. Its weights, on the Hub or in a folder, are those of
    a class of `transformers` (as in a published run) or have the reference's names. `noiseband
    import` writes the entry.
    """

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    """Repository on the Hub, as owner/name."""
    revision: str | None = None
    """The repository's commit, 40 hex digits."""
    path: str | None = None
    """A folder with the same files, to use instead of `repo`."""
    layout: PretrainedLayout = "gpt2"
    """`gpt2` for a GPT2LMHeadModel with a config.json, which is checked; `llama` for a
    LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM or Qwen3ForCausalLM with one; `reference`
    for weights with the reference's names (`tok_emb.weight`, ...) and no config."""
    file: Annotated[str, Field(pattern=r"^[\w][\w./-]*\.safetensors$")] = "model.safetensors"
    """File of the weights."""
    model: Shape
    """Shape of the model, or the name of a published one. Positions beyond the baseline's context
    are not used, so that all models see the same windows."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the file of the weights, checked if given."""
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Digest of the weights with the reference's names, at the model's full context (in
    `model.json` of a published run), checked if given."""

    @field_validator("file")
    @classmethod
    def _inside(cls, value: str) -> str:
        if ".." in value.split("/"):
            raise ValueError("is outside the model's folder; name a file inside it")
        return value

    @model_validator(mode="after")
    def _layout_has_its_parts(self) -> Pretrained:
        if self.layout == "reference":
            return self
        kind = hub_class(self.model)
        if kind is None:
            raise ValueError(f"{beyond_hub(self.model)}: no class of transformers computes this")
        right = "gpt2" if kind == "gpt2" else "llama"
        if self.layout != right:
            raise ValueError(f"model: is a {CLASSES[kind]}; write layout: {right}")
        return self

    @model_validator(mode="after")
    def _one_place(self) -> Pretrained:
        check_place(self.repo, self.path, self.revision)
        if self.revision is not None and not pinned(self.revision):
            raise ValueError(
                f"revision={self.revision} may move; give the commit's 40 hex digits (under "
                "History on the repository's page on the Hub)"
            )
        return self


@dataclass(frozen=True)
class PretrainedModel:
    """A pretrained model, which is measured like the baseline."""

    name: str
    source: Pretrained
    baseline: BaselineRecipe

    @property
    def model(self) -> Model:
        """The model's shape, with the baseline's context."""
        return self.source.model.model_copy(update={"context": self.baseline.model.context})

    @property
    def corpus(self) -> str:
        """Name of the baseline's corpus, whose token ids the model shares."""
        return self.baseline.data.corpus

    @property
    def attention(self) -> Literal["explicit", "sdpa"]:
        return self.baseline.attention


def check_pretrained(
    recipe: BaselineRecipe, tokenizer: OwnTokenizer, pretrained: Mapping[str, Pretrained]
) -> list[Problem]:
    """Check that each pretrained model can read the baseline's tokens and has its context."""
    problems: list[Problem] = []
    for name, one in pretrained.items():
        key, known = f"pretrained.{name}.model", one.model in KNOWN_MODELS.values()
        own = recipe.model.vocabulary  # that of the tokenizer
        if one.model.vocabulary != own or (known and tokenizer.kind == "bpe"):
            remedy = (
                f"has {one.model.vocabulary:,} token ids{' of GPT-2' if known else ''}, but the "
                f"tokenizer of corpus {recipe.data.corpus} is {tokenizer.kind} with "
                f"{own:,}; compare it in a study that uses the model's tokenizer"
            )
            problems.append(Problem(key, None, remedy))
        if one.model.context < recipe.model.context:
            remedy = (
                f"its context {one.model.context:,} is shorter than the baseline's "
                f"{recipe.model.context:,}, so their losses are not comparable; remove the model"
            )
            problems.append(Problem(key, None, remedy))
    return problems
