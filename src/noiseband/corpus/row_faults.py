"""Check a row of instructions. Fine-tuning uses this too, without the readers of other formats."""

from __future__ import annotations

import json
from typing import Any

from noiseband.corpus.chats import turns_fault

FIELDS = ("instruction", "input", "output")
NO_ANSWER = "output is empty"


def fault(value: Any) -> str | None:
    """Return why a value is not a question with an answer, or None if it is one."""
    if not isinstance(value, dict):
        return f"not a JSON object but {short(value)}"
    for field in FIELDS:
        text = value.get(field, "" if field == "input" else None)
        if text is None and field not in value:
            return f"{field} is missing"
        if not isinstance(text, str):
            return f"{field} is {short(text)}, not text"
        if field == "instruction" and not text.strip():
            return "instruction is empty"
        if not _is_unicode(text):
            return f"{field} has half a surrogate pair, which is not a character"
    if "turns" in value and (reason := turns_fault(value["turns"])) is not None:
        return reason
    return None if value["output"].strip() else NO_ANSWER


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def short(value: Any) -> str:
    """A value as JSON of at most 40 characters."""
    try:
        text = json.dumps(value)
    except RecursionError:
        return "a value that is nested too deeply"
    return text if len(text) <= 40 else text[:37] + "..."
