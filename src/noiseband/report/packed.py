"""Compressed data in the page, which its script unpacks on demand."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any


def packed(value: Any) -> str:
    """The value as JSON, gzipped, in base64, which cannot close the HTML element around it.

    The JSON is ASCII because models may write half a surrogate pair. Equal values give equal text
    on one installation: gzip's header has no date.
    """
    text = json.dumps(value, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("ascii"), mtime=0)).decode("ascii")
