"""A tiny model with weights on disk, a byte-level vocabulary, and tokens to score."""

from __future__ import annotations

import numpy as np
import pytest
import tiktoken
from numpy.typing import NDArray

from noiseband.study.architecture import Model


@pytest.fixture(scope="session")
def config() -> Model:
    return Model(vocabulary=257, context=16, width=16, heads=2, layers=2, dropout=0.5)


@pytest.fixture(scope="session")
def tokens(encoding: tiktoken.Encoding) -> NDArray[np.uint16]:
    """A test split of 403 tokens, with end-of-text after every 21 bytes."""
    text = "It was the best of times, it was the worst of times, it was the age of wisdom. "
    ids = encoding.encode_ordinary(text * 5)
    for i in range(20, len(ids), 21):
        ids[i] = encoding.eot_token
    return np.array([*ids, *ids][:403], dtype=np.uint16)
