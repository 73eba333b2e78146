"""Say what an endpoint's error means: a question that it refuses, a wait, or the end of judging.

The status alone does not tell. A content filter answers 400 at most endpoints, but 403 at some; a
prompt that is too long is 400, 413, 429, 500, or an error inside a reply of status 200. So the
words of the error are read too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from noiseband.errors import UserError

AGAIN = (408, 409, 425, 429)
"""The statuses below 500 after which the same request may succeed later."""

OF_THE_QUESTION = (400, 413, 422, 451)
"""The statuses that may be about one question. They may also be about the settings, if the endpoint
refuses all questions."""

UNSUITED = "change or leave out what the model does not support: see the keys of `judge`"
REMEDIES = {
    400: UNSUITED,
    401: "give a valid key in {key}",
    403: "give a key in {key} that has access to the model",
    404: "check judge.base_url and judge.model",
    422: UNSUITED,
}
OTHER = "correct the problem, then run again: stored replies are not asked for again"
FILTERED = "take another judge, or raise judge.attempts to ask again"
TOO_LONG = "judge fewer models at a time, or take a model with a longer context"
TOO_LONG_HERE = "judge fewer models at a time, or raise judge.context"

LONGEST = 300
"""The largest number of characters of an endpoint's own words that are kept."""

_TOO_LONG = re.compile(
    r"context[ _-]*(length|size|window|limit)|exceed_context|prompt is too (long|large)"
    r"|(prompt|input|messages?|request)( is| are)? too (long|large)|too many (input )?tokens"
    r"|reduce (the length of )?(the|your) (messages|prompt|input)"
    r"|(input|prompt) tokens? (count )?exceed",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content[ _-]?(filter|policy|management|moderation|violates|exists risk)"
    r"|responsible ?ai ?policy|moderation|\bflagged\b|data_?inspection|safety_check"
    r"|usage (guidelines|policy|policies)|prohibited_content|inappropriate content|guardrail",
    re.IGNORECASE,
)


_ACCOUNT = re.compile(
    r"credit balance|insufficient[ _](credits?|funds|balance)|billing|payment"
    r"|api[ _-]?key[\w ]{0,12} (not valid|invalid|expired)|invalid[ _]api[ _]?key",
    re.IGNORECASE,
)
"""Some endpoints report what is wrong with an account with status 400."""


class NoReply(Exception):
    """A request got no reply, but may get one next time."""

    def __init__(self, problem: str, wait: float | None = None, busy: bool = False) -> None:
        super().__init__(problem)
        self.wait = wait
        """The shortest wait, in seconds, that the endpoint asks for; None if it asks for none."""
        self.busy = busy or wait is not None
        """Whether the endpoint says that it has too much to do, which is not about the question."""


class Refused(Exception):
    """The endpoint refuses this request, and would refuse it again."""

    def __init__(self, reason: str, certain: bool) -> None:
        super().__init__(reason)
        self.certain = certain
        """Whether the question is the cause. Otherwise the cause may be the judge's settings, which
        shows if other questions are refused too."""


def meaning(
    status: int | None, said: str, wait: float | None, key: str, here: bool
) -> NoReply | Refused | UserError:
    """The exception for an error that an endpoint reports.

    Args:
        status: the HTTP status; None if the error is in a reply of status 200 and has none itself.
        said: the text of the error, without a key: JSON or anything else.
        wait: seconds that the endpoint asks to wait, if any.
        key: the name of the variable with the key.
        here: whether the endpoint is on this machine, so that `judge.context` is its context.
    """
    words = own_words(said)
    shown = f" ({words})" if words else ""
    refusal = f"the endpoint refuses with status {status}{shown}"
    if status is None:
        refusal = f"the endpoint replies with an error{shown}"
    if "insufficient_quota" in said:
        return UserError(f"judge: the quota is used up ({words}); top it up and run again")
    if status not in (401, 404) and (status == 413 or _TOO_LONG.search(said)):
        return Refused(f"{refusal}; {TOO_LONG_HERE if here else TOO_LONG}", certain=True)
    if status in (None, 403, *OF_THE_QUESTION) and _FILTERED.search(said):
        return Refused(f"{refusal}; {FILTERED}", certain=True)
    if status in (None, *OF_THE_QUESTION) and _ACCOUNT.search(said):
        return UserError(f"judge: {refusal}; {OTHER}")
    if status is None:
        return NoReply(f"an error in place of a reply{shown}", wait)
    if status in AGAIN or status >= 500:
        return NoReply(f"status {status}{shown}", wait, busy=status == 429)
    remedy = REMEDIES.get(status, OTHER).format(key=key)
    if status in OF_THE_QUESTION:
        return Refused(f"{refusal}; {remedy}", certain=False)
    return UserError(f"judge: {refusal}; {remedy}")


def error_inside(reply: Any) -> tuple[int | None, str] | None:
    """The status, if it has one, and the text of an error in a reply of status 200; else None.

    Some endpoints have begun the reply before they find that they cannot give one. The error is
    then in `error`, in `error` of the first choice, or is the reply itself (`"object": "error"`).
    """
    match reply:
        case {"choices": [{"message": {"content": str() as text}}, *_]} if text.strip():
            return None
        case {"error": (dict() | str()) as error} if error:
            pass
        case {"choices": [{"error": (dict() | str()) as error}, *_]} if error:
            pass
        case {"object": "error"}:
            error = reply
        case _:
            return None
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code <= 599 else None
    return status, json.dumps(error, ensure_ascii=False)


def own_words(said: str) -> str:
    """The endpoint's own words in an error: its message and its code, or else the text as it is.

    Printable, in one line, and at most `LONGEST` characters long.
    """
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        found = said
    if isinstance(found, Mapping) and isinstance(found.get("error"), Mapping | str):
        inner = found["error"]
        found = inner if isinstance(inner, Mapping) else {**found, "message": inner}
    if isinstance(found, Mapping):
        parts = [found.get(name) for name in ("message", "detail", "code")]
        found = ", ".join(part for part in parts if isinstance(part, str) and part)
    text = "".join(c if c.isprintable() else " " for c in str(found))
    return " ".join(text.split())[:LONGEST]
