"""Checks of names that a Hub sends, before they become paths.

The server at HF_ENDPOINT chooses the names under which the client stores files in its cache. The
client checks the names of files and commits. The tag that names a file's content is checked here.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from noiseband.errors import UserError

if TYPE_CHECKING:
    from httpx2 import Client, Response

TAG = re.compile(r'(W/)?"?[\w+=~:-][\w.+=~:-]*"?')


def check_name(name: str, place: str) -> None:
    """Raise UserError for a file name that is absolute, points outside its folder, or contains
    characters that control a terminal."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
        raise UserError(f"{place}: has the unsafe file name {name!r}; do not use this data set")


def guard() -> None:
    """Make all new connections of the client check the tags that name files' contents."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    if _http._GLOBAL_CLIENT_FACTORY is not _guarded:
        set_client_factory(_guarded)


def _guarded() -> Client:
    from huggingface_hub.utils import _http

    client = _http.default_client_factory()
    client.event_hooks = {**client.event_hooks, "response": [_check]}
    return client


def _check(response: Response) -> None:
    """Check an answer to HEAD, with which the client asks for tags. Other tags are not used."""
    headers = response.headers
    tag = headers.get("X-Linked-ETag") or headers.get("ETag")
    if response.request.method == "HEAD" and tag and not TAG.fullmatch(tag):
        raise UserError(
            f"the Hub at {response.request.url.host} sent the unsafe name {tag[:60]!r} for a "
            "file's content; do not use this Hub"
        )
