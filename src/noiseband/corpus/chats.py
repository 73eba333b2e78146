"""Conversations as instruction rows: the last question and its answer, and the turns before them.

Two forms are read: `messages`, a list of `{"role", "content"}`, and ShareGPT's `conversations`, a
list of `{"from", "value"}`.
"""

from __future__ import annotations

from typing import Any

KEYS = ("messages", "conversations", "conversation")
"""Keys of a row, of which the first that it has is its conversation."""

ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "chatgpt": "assistant",
    "bot": "assistant",
}  # fmt: skip
"""The role that each name of a role stands for."""


class NoRow(Exception):
    """A conversation is not a row; the message says why."""


def as_row(value: Any, no_answer: str) -> Any:
    """Return a conversation as `{instruction, input, output, turns}`; other values as they are.

    `turns` has `{"role", "text"}` for each turn before the last question, with the roles system
    (first, if at all), user and assistant. It is left out if it is empty. Raises NoRow if the turns
    are not a conversation, with the message `no_answer` if the last turn is not the assistant's.
    """
    if not isinstance(value, dict) or "instruction" in value:
        return value
    key = next((key for key in KEYS if key in value), None)
    if key is None:
        return value
    turns = _turns(value[key], key)
    if turns[-1]["role"] == "user":
        raise NoRow(no_answer)
    row = {"instruction": turns[-2]["text"], "input": "", "output": turns[-1]["text"]}
    return {**row, "turns": turns[:-2]} if turns[:-2] else row


def turns_fault(turns: Any) -> str | None:
    """Return why the `turns` of a row cannot be before its question, or None if they can."""
    try:
        found = _turns([*turns, {"role": "user", "text": "-"}], "turns", "text")
    except (NoRow, TypeError) as error:
        return str(error)
    return None if found[:-1] == turns else "turns: a turn has other keys than role and text"


def _turns(given: Any, key: str, text: str | None = None) -> list[dict[str, str]]:
    """The turns, checked: perhaps the system's, then the user's and the assistant's in turn."""
    if not isinstance(given, list) or not given:
        raise NoRow(f"{key} is not a list of turns")
    turns = [_turn(turn, f"{key}: turn {number}", text) for number, turn in enumerate(given, 1)]
    spoken = turns[1:] if turns[0]["role"] == "system" else turns
    if not spoken:
        raise NoRow(f"{key} has no turn of the user")
    for place, turn in enumerate(spoken):
        expected = ("user", "assistant")[place % 2]
        if turn["role"] != expected:
            number = place + 1 + len(turns) - len(spoken)
            raise NoRow(f"{key}: turn {number} is the {turn['role']}'s, not the {expected}'s")
    for number, turn in enumerate(turns[:-1], 1):
        if not turn["text"].strip():
            raise NoRow(f"{key}: turn {number} is empty")
    return turns


def _turn(turn: Any, place: str, text: str | None) -> dict[str, str]:
    match turn:
        case {"role": str() as name} | {"from": str() as name}:
            role = ROLES.get(name.lower())
        case _:
            raise NoRow(f"{place} has no role")
    if role is None:
        raise NoRow(f"{place}: role {name[:40]!r} is not system, user or assistant")
    names = (text,) if text is not None else ("content", "value", "text")
    content = next((turn[name] for name in names if name in turn), None)
    if isinstance(content, list):
        content = _joined(content)
    if not isinstance(content, str):
        raise NoRow(f"{place} has no text")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise NoRow(f"{place} has half a surrogate pair, which is not a character") from None
    return {"role": role, "text": content}


def _joined(parts: list[Any]) -> str | None:
    """The text of a content in parts; None if a part is not text, such as an image."""
    texts = [
        part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
        for part in parts
    ]
    found = [text for text in texts if isinstance(text, str)]
    return "".join(found) if found and len(found) == len(texts) else None
