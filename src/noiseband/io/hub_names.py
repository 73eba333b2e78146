"""What a Hub may name: files inside a folder, by names that are names.

Whoever serves HF_ENDPOINT chooses the names under which the client puts things into its cache. The
client looks at names of files and commits; the tag by which it calls a file's content is checked
here, before it becomes a path.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from noiseband.errors import UserError

if TYPE_CHECKING:
    from httpx2 import Response

TAG = re.compile(r'(W/)?"?[\w+=~:-][\w.+=~:-]*"?')


def check_name(name: str, place: str) -> None:
    """Raises UserError for a file's name that is absolute, leaves its folder, or acts on a
    terminal."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
        raise UserError(f"{place}: names a file {name!r}, which no data set may; do not use it")


def guard() -> None:
    """Have the client's connections, those to come, check what names a file's content."""
    from httpx2 import Client
    from huggingface_hub import get_session, set_client_factory

    now = get_session()
    hooks = {event: list(checks) for event, checks in now.event_hooks.items()}
    if _check in hooks["response"]:
        return
    hooks["response"].append(_check)

    def guarded() -> Client:
        """The client's own connection, whoever has chosen it, with one check more."""
        return Client(event_hooks=hooks, follow_redirects=now.follow_redirects, timeout=now.timeout)

    set_client_factory(guarded)


def _check(response: Response) -> None:
    """The client asks for a file's tag by HEAD; tags of other answers name nothing."""
    headers = response.headers
    tag = headers.get("X-Linked-ETag") or headers.get("ETag")
    if response.request.method == "HEAD" and tag and not TAG.fullmatch(tag):
        raise UserError(
            f"the Hub at {response.request.url.host} calls a file's content {tag[:60]!r}, which is "
            "no name; do not use it"
        )
