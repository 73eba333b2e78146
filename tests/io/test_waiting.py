"""How long a server asks to wait."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from noiseband.io.waiting import LONGEST, limited, seconds_asked, worth_waiting


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), (" 0 ", 0.0), ("", 0.0), ("soon", 0.0), ("-3", 0.0)]
)
def test_a_number_of_seconds(text: str, seconds: float) -> None:
    assert seconds_asked({"retry-after": text}) == seconds


def test_a_date() -> None:
    later = formatdate(time.time() + 30, usegmt=True)
    assert 27 < seconds_asked({"retry-after": later}) <= 30
    assert seconds_asked({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


def test_a_long_wait_is_the_users() -> None:
    brief, long = ({"retry-after": str(int(LONGEST) + more)} for more in (0, 1))
    assert worth_waiting(429, brief) and not worth_waiting(429, long)
    assert worth_waiting(503, {}) and not worth_waiting(404, brief)
    assert limited(long).endswith("run again in 61 seconds, as it asks")
    assert "still after retries" in limited({})
