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
    """Raise UserError for a file name that is absolute, points outside its folder, or contains
    characters that control a terminal."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
        raise UserError(f"{place}: has the unsafe file name {name!r}; do not use this data set")


def guard() -> None:
    """Make all new connections of the client check the tags that name files' contents."""
    from httpx2 import Client
    from huggingface_hub import get_session, set_client_factory

    now = get_session()
    hooks = {event: list(checks) for event, checks in now.event_hooks.items()}
    if _check in hooks["response"]:
        return
    hooks["response"].append(_check)

    def guarded() -> Client:
        """The connection that the client is set to use, with one more check."""
        return Client(event_hooks=hooks, follow_redirects=now.follow_redirects, timeout=now.timeout)

    set_client_factory(guarded)


def _check(response: Response) -> None:
    """Check an answer to HEAD, with which the client asks for tags. Other tags are not used."""
    headers = response.headers
    tag = headers.get("X-Linked-ETag") or headers.get("ETag")
    if response.request.method == "HEAD" and tag and not TAG.fullmatch(tag):
        raise UserError(
            f"the Hub at {response.request.url.host} sent the unsafe name {tag[:60]!r} for a "
            "file's content; do not use this Hub"
        )
