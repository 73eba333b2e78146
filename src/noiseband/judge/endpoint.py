"""Send a request to an OpenAI-compatible endpoint: the result is a chat completion or an error."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import openai

from noiseband.errors import UserError
from noiseband.judge.refusals import NoReply, Refused, error_inside, meaning

DEEPEST = 100
"""The deepest nesting of lists and objects that a reply may have."""

_KEY = re.compile(r"[!#-\[\]-~]+")
SHORTEST = 8
"""The smallest length of a secret key in characters; a shorter key is a word like `none`."""


class Endpoint:
    """A thread-safe client of one endpoint. It does not retry."""

    def __init__(
        self, base_url: str, timeout: float, key_name: str | None = None, loopback: bool = False
    ) -> None:
        """
        Args:
            base_url: the URL up to and including `/v1`.
            timeout: the longest wait for bytes, in seconds.
            key_name: environment variable with the key; None sends a placeholder.
            loopback: whether this program serves the endpoint.

        Raises:
            UserError: the variable is not set, or its value cannot be a key.
        """
        self.key_name = key_name
        self.here = loopback
        self.key = _key(key_name)
        # The environment's proxies are for other machines, and mostly cannot reach this one.
        direct = openai.DefaultHttpxClient(trust_env=False)
        self.client = openai.OpenAI(
            api_key=self.key or "none",
            base_url=base_url,
            timeout=timeout,
            max_retries=0,
            http_client=direct if _on_this_machine(base_url) else None,
        )

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send the body of a chat completion; return the reply with the key removed.

        Raises:
            NoReply: status 408, 409, 425, 429 or 5xx, a timeout, a broken connection, or a reply
                that is not a chat completion.
            Refused: the prompt is too long, a content filter stops it, or the status is 400 or 422.
            UserError: any other status, or a used-up quota.

        An error in a reply of status 200 is one with the status that it names.
        """
        rest = {key: value for key, value in body.items() if key not in ("model", "messages")}
        try:
            response = self.client.chat.completions.with_raw_response.create(
                model=body["model"], messages=body["messages"], extra_body=rest
            )
        except openai.APIStatusError as error:
            said, wait = error.response.text, _wait(error.response.headers)
            raise self._meaning(error.status_code, said, wait) from None
        except openai.APITimeoutError:
            raise NoReply("no reply in time") from None
        except openai.APIConnectionError as error:
            # Only the kind of the cause is used, because its text may quote a header.
            raise NoReply(f"connection failed ({type(error.__cause__).__name__})") from None
        try:
            found = json.loads(response.text)
        except (ValueError, RecursionError):
            raise NoReply("the reply is not JSON; is judge.base_url right?") from None
        if _deeper(found, DEEPEST):
            raise NoReply("the reply is nested too deeply")
        inside = error_inside(found)
        if inside is not None:
            raise self._meaning(*inside, wait=None)
        if not isinstance(found, dict) or not isinstance(found.get("choices"), list):
            raise NoReply("the reply is not a chat completion; is judge.base_url right?")
        hidden: dict[str, Any] = json.loads(self._hidden(json.dumps(found)))
        return hidden

    def _meaning(
        self, status: int | None, said: str, wait: float | None
    ) -> NoReply | Refused | UserError:
        name = f"${self.key_name}" if self.key_name else "the variable that judge.api_key_env names"
        return meaning(status, self._hidden(_plain(said)), wait, name, self.here)

    def _hidden(self, text: str) -> str:
        """The text without the key, which an endpoint may send back."""
        return text.replace(self.key, "[key]") if len(self.key) >= SHORTEST else text


def _on_this_machine(base_url: str) -> bool:
    """Whether the address is one of this machine's own."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _key(name: str | None) -> str:
    if name is None:
        return ""
    key = os.environ.get(name, "").strip()
    if not key:
        raise UserError(
            f"judge.api_key_env: {name} is not set; export it, or write `api_key_env: null` for "
            "an endpoint that needs no key"
        )
    if not _KEY.fullmatch(key):
        raise UserError(
            f"judge.api_key_env: {name} has characters that no key has (spaces, quotes or "
            "non-ASCII); set it again"
        )
    return key


def _plain(text: str) -> str:
    """JSON without needless escapes, behind which a key could hide; other text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _deeper(value: Any, levels: int) -> bool:
    """Whether JSON is nested deeper than `levels`; if so, it could not be stored."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_deeper(one, levels - 1) for one in inner)


def _wait(headers: Any) -> float | None:
    """The seconds that `Retry-After` (RFC 9110, 10.2.3: seconds or a date) or OpenAI's
    `retry-after-ms` asks for; None if neither header is there."""
    milliseconds, after = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return None if after is None else max(0.0, float(after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(after).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
