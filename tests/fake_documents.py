"""Losses of made-up runs on the documents of a made-up test window."""

from __future__ import annotations

import hashlib

import numpy as np

from noiseband.evaluate.documents import DocumentLoss
from tests.fake_runs import FakeRun

DOCUMENTS = 80
TOKENS = 8_000


def document_losses(run: FakeRun) -> list[DocumentLoss]:
    """The losses of a run, whose mean over tokens is its test loss.

    All runs have the same documents. Runs of one arm share what suits its recipe (an SD of 0.01
    nats), and each run scatters by 0.01 nats of its own. A repeat has the losses of its original.
    """
    texts = np.random.default_rng(11)
    share = np.exp(texts.normal(0.0, 0.8, DOCUMENTS))
    tokens = 1 + np.floor((TOKENS - DOCUMENTS) * share / share.sum()).astype(np.int64)
    tokens[0] += TOKENS - tokens.sum()
    loss = texts.normal(0.0, 0.6, DOCUMENTS)
    loss += _generator(run.intervention).normal(0.0, 0.01, DOCUMENTS)
    loss += _generator(run.repeat_of or run.name).normal(0.0, 0.01, DOCUMENTS)
    loss += (run.test_loss or 0.0) - (loss * tokens).sum() / TOKENS
    return [
        DocumentLoss(place, int(size), float(each * size))
        for place, (size, each) in enumerate(zip(tokens, loss, strict=True))
    ]


def _generator(name: str) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
