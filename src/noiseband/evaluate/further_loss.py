"""The loss on any corpus of the study, as a further evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.vocabulary import load_encoding
from noiseband.evaluate.documents import DocumentLoss
from noiseband.evaluate.loss import evaluate
from noiseband.evaluate.outcome import Outcome
from noiseband.io.metrics import Measured
from noiseband.study.evaluation_params import EvaluationParams


def further_loss(params: EvaluationParams, model: Path, tokens: Path, vocabulary: Path) -> Outcome:
    """The loss of a model on the split in the file `tokens`, as `loss.evaluate` measures it.

    Its metrics are `loss`, in nats per token, and `bits_per_byte`. Its items are the documents of
    the window, with `loss` and `tokens` of each. The standard error is clustered by document.
    """
    window = params.evaluation.loss
    assert window is not None  # The rule asks only for evaluations of this kind.
    split, encoding = open_tokens(tokens), load_encoding(vocabulary)
    measured = evaluate(model, params.network, params.attention, split, window, encoding)
    summary, documents = measured.summary, measured.documents
    about = {key: value for key, value in summary.items() if not key.startswith("by_")}
    value, bits = about.pop("test_loss"), about.pop("bits_per_byte")
    about.pop("test_loss_text")
    if value is None:
        none = Measured(math.nan)
        return Outcome({"loss": none, "bits_per_byte": none}, about, [], {"loss": [], "tokens": []})
    error = clustered_error(documents)
    each = None if error is None else error * bits / value
    count = len(documents)
    return Outcome(
        {"loss": Measured(value, error, count), "bits_per_byte": Measured(bits, each, count)},
        about,
        [str(one.document) for one in documents],
        {
            "loss": [one.nats / one.tokens for one in documents],
            "tokens": [float(one.tokens) for one in documents],
        },
    )


def clustered_error(documents: Sequence[DocumentLoss]) -> float | None:
    """The standard error of a loss over the documents that could have been drawn, nats per token.

    The loss is a ratio, nats over tokens; its variance is linearised, from the residuals nats -
    loss x tokens of the documents (Cochran 1977, chapter 6). None with fewer than two documents.
    """
    if len(documents) < 2:
        return None
    nats = np.array([one.nats for one in documents])
    tokens = np.array([one.tokens for one in documents], np.float64)
    residuals = nats - nats.sum() / tokens.sum() * tokens
    count = len(documents)
    return float(math.sqrt(count / (count - 1) * (residuals**2).sum()) / tokens.sum())
