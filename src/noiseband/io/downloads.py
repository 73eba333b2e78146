"""Download of a small file, which is checked against its SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx2
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from noiseband.errors import UserError
from noiseband.io.files import atomic
from noiseband.io.waiting import seconds_asked, worth_waiting

TRIES = 3
TIMEOUT = 60.0
"""Seconds to wait for an answer."""


def download(url: str, sha256: str, out: Path, pause: float = 1.0) -> None:
    """Download the file at `url` to `out`. A broken connection or a server error is retried, first
    after `pause` seconds and then after twice that.

    Raises UserError if the download fails or the file has another SHA-256.
    """
    tries = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=lambda state: max(wait_exponential(pause)(state), _asked(state)),
        retry=retry_if_exception(_passing),
        reraise=True,
    )
    try:
        content: bytes = tries(_get, url)
    except httpx2.HTTPStatusError as error:
        raise UserError(
            f"{url}: the server answered {error.response.status_code}; check the URL"
        ) from error
    except httpx2.HTTPError as error:
        raise UserError(
            f"{url}: download failed ({type(error).__name__}); check the connection and run again"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise UserError(f"{url} has SHA-256 {found}, not {sha256}; correct one of them")
    with atomic(out, checksum=False) as temporary:
        temporary.write_bytes(content)


def _get(url: str) -> bytes:
    answer = httpx2.get(url, follow_redirects=True, timeout=TIMEOUT)
    return answer.raise_for_status().content


def _asked(state: RetryCallState) -> float:
    """Seconds that the server asks to wait before the next attempt."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, httpx2.HTTPStatusError):
        return seconds_asked(error.response.headers)
    return 0.0


def _passing(error: BaseException) -> bool:
    """Whether a retry may help."""
    if isinstance(error, httpx2.HTTPStatusError):
        return worth_waiting(error.response.status_code, error.response.headers)
    return isinstance(error, httpx2.TransportError)
