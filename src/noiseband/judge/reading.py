"""Read the scores from a language model's reply, or find the reason why there are none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from noiseband.judge.interface import Score
from noiseband.judge.prompt import keys, sound
from noiseband.judge.reasoning import Endless, without_reasoning

LONGEST = 100_000
"""Replies with more characters than this, reasoning left out, are unusable."""

LONGEST_REASONING = 1_000_000
"""Reasoning is looked for in replies of at most this many characters."""

MOST = 1000
"""The largest number of braces in a reply at which the reading of a JSON object starts."""


class Unusable(Exception):
    """No scores can be read from a reply; the message says why."""


def text_of(completion: dict[str, Any]) -> str:
    """The text of a chat completion's first choice. Raises Unusable if there is none."""
    match completion.get("choices"):
        case [{"message": {"content": str() as text}}, *_] if text.strip():
            return sound(text)
        case [{"message": {"content": list() as parts}}, *_] if text := _joined(parts):
            return sound(text)
        case [{"message": {"refusal": str() as refusal}}, *_]:
            raise Unusable(f"refused: {sound(refusal)[:80]!r}")
        case [{"finish_reason": reason}, *_]:
            raise Unusable(f"no text (finish_reason {str(reason)[:40]!r})")
    raise Unusable("no text")


def _joined(parts: list[Any]) -> str:
    """The text of a content in parts, without those parts that are reasoning."""
    texts = [
        one["text"]
        for one in parts
        if isinstance(one, dict) and one.get("type") == "text" and isinstance(one.get("text"), str)
    ]
    return "".join(texts).strip()


def read_scores(completion: dict[str, Any], count: int, answers: Sequence[str] = ()) -> list[Score]:
    """The scores of the answers, in the order of the request.

    Reasoning before the reply and prose around the JSON are ignored. A reply with two different
    sets of scores is unusable, because the judge may have quoted one of them from an answer.
    Raises Unusable if a model, score or reason is missing or does not fit the schema. `answers`
    are the texts that the judge saw.
    """
    text = text_of(completion)
    if len(text) <= LONGEST_REASONING:
        try:
            text = without_reasoning(text, answers)
        except Endless:
            raise Unusable("the reasoning does not end") from None
    if len(text) > LONGEST:
        raise Unusable(f"{len(text):,} characters long")
    found: list[list[Score]] = []
    problem = "no JSON object" if _ended(completion) else "cut off before the JSON ended"
    for candidate in _objects(text):
        try:
            scores = _scores(candidate, count)
        except Unusable as error:
            problem = str(error)
        else:
            found += [scores] if scores not in found else []
    if len(found) > 1:
        raise Unusable("several different verdicts")
    if not found:
        raise Unusable(problem)
    return found[0]


def _scores(candidate: dict[str, Any], count: int) -> list[Score]:
    expected = keys(count)
    for key in expected:
        if key not in candidate:
            raise Unusable(f"{key} is missing")
    for key in candidate:
        if key not in expected:
            raise Unusable(f"{sound(key)[:40]!r} was not asked about")
    return [_score(key, candidate[key]) for key in expected]


def _score(key: str, value: Any) -> Score:
    match value:
        case {"score": bool()}:
            pass
        case {"score": int() | float() as score, "reason": str() as reason}:
            if not 0 <= score <= 100:
                raise Unusable(f"{key}: score {str(score)[:20]} is not from 0 to 100")
            if score != int(score):
                raise Unusable(f"{key}: score {str(score)[:20]} is not a whole number")
            return Score(float(score), sound(reason))
    raise Unusable(f"{key}: no score with a reason")


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield every JSON object in a text, except those inside another object.

    Raises Unusable if an object is nested too deeply, or the text has too many braces.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_unambiguous)
    place, looked = text.find("{"), 0
    while place >= 0:
        looked += 1
        if looked > MOST:
            raise Unusable(f"more than {MOST:,} braces")
        try:
            found, end = decoder.raw_decode(text, place)
            yield found
        except ValueError:
            end = place + 1
        except RecursionError:
            raise Unusable("nested too deep") from None
        place = text.find("{", end)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object with these keys and values. Raises ValueError if a key occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _ended(completion: dict[str, Any]) -> bool:
    match completion.get("choices"):
        case [{"finish_reason": "length"}, *_]:
            return False
    return True
