"""Data that the page's script unpacks: too much to write out, and inert until it is asked for."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any


def packed(value: Any) -> str:
    """JSON, gzipped, in base64: nothing in it can end the element that holds it.

    ASCII JSON, because what models write may hold half a surrogate pair. Equal values give equal
    text on one installation: gzip's header has no date.
    """
    text = json.dumps(value, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("ascii"), mtime=0)).decode("ascii")
