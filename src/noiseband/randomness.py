"""Seeds as a function of where one stands, so that there is no generator state to save."""

from __future__ import annotations

import hashlib


def derived_seed(*parts: int | str) -> int:
    """A seed in [0, 2**63) from the parts: SHA-256 of them joined by `/`.

    `derived_seed(train_seed, step, slot)` seeds the dropout of one microbatch.
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
