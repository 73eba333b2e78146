"""Seeds as a function of the position in training, so that no generator state has to be saved."""

from __future__ import annotations

import hashlib


def derived_seed(*parts: int | str) -> int:
    """Return a seed in [0, 2**63): the first 63 bits of the SHA-256 of the parts joined by `/`.

    `derived_seed(train_seed, step, slot)` seeds the dropout of one microbatch, and
    `derived_seed(data_seed, "order", round)` one round of the order of the data.
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
