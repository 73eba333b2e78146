"""A language model as the judge, with the same prompt, store and parser for every endpoint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from noiseband.judge.asking import Asker
from noiseband.judge.interface import Question, Reply, Score
from noiseband.judge.ledger import usage
from noiseband.judge.outcome import NO_USABLE
from noiseband.judge.prompt import messages, reply_schema, sound
from noiseband.judge.reading import Unusable, read_scores, text_of
from noiseband.judge.store import Entry
from noiseband.randomness import derived_seed
from noiseband.study.judges import LocalJudge, OpenAIJudge

LOCAL_REASON = 200
"""The longest reason of a local judge in characters, because a small model may never stop."""


class LanguageModelJudge:
    """Sends all answers to a question in one request, through an asker."""

    def __init__(self, config: OpenAIJudge | LocalJudge, round: int, asker: Asker) -> None:
        self.config = config
        self.round = round
        self.asker = asker
        self.at_once = config.at_once if isinstance(config, OpenAIJudge) else 1

    @property
    def status(self) -> str:
        return self.asker.ledger.status

    def halt(self) -> None:
        self.asker.halt.set()

    def judge(self, question: Question, answers: Sequence[str]) -> Reply:
        """The scores from the stored reply, which is asked for first if there is none.

        The raw reply has `content`, `model` and `usage` (tokens, over all replies) as the endpoint
        reports them, `replies` (their number) and `request` (the store's key). It does not depend
        on when or how often the endpoint failed to reply. If the endpoint refused the question, or
        no reply is usable, all scores are missing, for that reason.

        Raises UserError as `Asker.ask` does.
        """
        count = len(answers)
        request = request_of(self.config, self.round, question, answers)
        entry = self.asker.ask(request, lambda reply: read_scores(reply, count, answers))
        problem = entry.refusal
        if problem is None:
            try:
                return Reply(read_scores(entry.replies[-1], count, answers), _raw(entry))
            except Unusable as error:
                problem = f"{NO_USABLE} in {len(entry.replies)}: {error}"
        print(f"{question.instruction[:60]!r}: {problem}; scores missing", file=sys.stderr)
        return Reply([Score(None, problem)] * count, _raw(entry))


def request_of(
    config: OpenAIJudge | LocalJudge, round: int, question: Question, answers: Sequence[str]
) -> dict[str, Any]:
    """The request, which identifies a stored reply: endpoint, round, and the `body` that is sent.

    Rounds are independent draws: each has its own seed, if the config has one, and its own entry in
    the store.
    """
    body: dict[str, Any] = {"messages": messages(question, answers)}
    if config.temperature is not None:
        body["temperature"] = config.temperature
    if config.seed is not None:
        body["seed"] = derived_seed("judge", config.seed, round) >> 32  # all servers accept 31 bits
    if isinstance(config, LocalJudge):
        # The model is named by the file's digest, which does not depend on its path. A cache of
        # earlier prompts would make the last bits depend on earlier requests.
        name = f"sha256:{config.sha256}"
        schema = _json_schema(reply_schema(len(answers), LOCAL_REASON))
        body |= {"model": name, "max_tokens": config.max_tokens, "cache_prompt": False}
        return {"endpoint": name, "round": round, "body": body | {"response_format": schema}}
    if config.reply_format == "json_schema":
        body["response_format"] = _json_schema(reply_schema(len(answers)))
    elif config.reply_format == "json_object":
        body["response_format"] = {"type": "json_object"}
    body |= {"model": config.model, **config.options}
    return {"endpoint": config.base_url, "round": round, "body": body}


def _json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": "scores", "strict": True, "schema": schema},
    }


def _raw(entry: Entry) -> dict[str, Any]:
    last = {} if entry.refusal is not None else entry.replies[-1]
    try:
        content = text_of(last)
    except Unusable:
        content = None
    used = [tokens for reply in entry.replies if (tokens := usage(reply)) is not None]
    model = last.get("model")
    return {
        "content": content,
        "model": sound(model) if isinstance(model, str) else None,
        "usage": {
            "prompt_tokens": sum(prompt for prompt, _ in used),
            "completion_tokens": sum(completion for _, completion in used),
        }
        if used
        else None,
        "replies": len(entry.replies),
        "request": entry.key,
    }
