"""How long a server asks its clients to wait (RFC 9110, Retry-After)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST = 60.0
"""Seconds that a download waits if a server asks for it. If it asks for more, the download ends."""


def seconds_asked(headers: Mapping[str, str]) -> float:
    """Seconds to wait according to a response's headers: a number or a date. 0 without either."""
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def worth_waiting(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a later attempt may succeed soon: the server is busy or failing, or limits the rate
    of requests and asks to wait for at most `LONGEST` seconds."""
    return (status == 429 or status >= 500) and seconds_asked(headers) <= LONGEST


def limited(headers: Mapping[str, str]) -> str:
    """What to say about a server that answered 429 for good."""
    asked = seconds_asked(headers)
    if asked > LONGEST:
        return f"limits the rate of requests (429); run again in {asked:.0f} seconds, as it asks"
    return "limits the rate of requests (429), still after retries; run again later"
