"""Compute the test loss: token-weighted cross-entropy over a fixed window of held-out tokens."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tiktoken
from numpy.typing import NDArray

from noiseband.corpus.token_file import check_tokens, open_tokens
from noiseband.corpus.vocabulary import load_encoding
from noiseband.determinism import make_deterministic, pick_device
from noiseband.evaluate.documents import DocumentLoss, by_document, document_losses
from noiseband.evaluate.forward import target_losses
from noiseband.evaluate.window import cut_window
from noiseband.io.files import write_json
from noiseband.io.tables import write_rows
from noiseband.model.attention import AttentionKind
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.config import Evaluation

BUCKETS = 8
"""The number of segments of the context over which the loss by position is averaged."""


class Measured(NamedTuple):
    """A model's losses on a test window."""

    summary: dict[str, Any]
    """The test loss and its parts, ready to be written as JSON; see `evaluate`."""
    documents: list[DocumentLoss]
    """The loss of each document, in order."""


def evaluate_file(
    config: Model,
    attention: AttentionKind,
    protocol: Evaluation,
    model: Path,
    tokens: Path,
    vocabulary: Path,
    out: Path,
    documents: Path,
) -> None:
    """Measure a model with `evaluate` on the split in the file `tokens`: the summary goes to `out`
    as JSON, and the loss of each document to `documents` as CSV."""
    split, encoding = open_tokens(tokens), load_encoding(vocabulary)
    measured = evaluate(model, config, attention, split, protocol, encoding)
    write_rows(documents, DocumentLoss, measured.documents)
    write_json(out, measured.summary)


def evaluate(
    model_file: Path,
    config: Model,
    attention: AttentionKind,
    tokens: NDArray[np.uint16],
    protocol: Evaluation,
    encoding: tiktoken.Encoding,
) -> Measured:
    """The test loss of a model, in nats per token, and the loss of each document.

    Dropout is off, whatever the config says. `tokens` is the whole split, shape (any,), which was
    encoded with `encoding`. One thread does the arithmetic, so the bits do not depend on the number
    of threads or processes. The summary has:

    - `test_loss`: mean of -log p over all targets, accumulated in float64; `test_loss_text`: the
      same to six decimals;
    - `bits_per_byte`: the bits of all targets divided by the bytes of their text. The end of a
      document costs bits but has no bytes, so that vocabularies can be compared;
    - `tokens` (targets), `bytes`, `batches`, `split`, `start_token`, `precision`;
    - `by_position`: mean loss in segments of the context, including positions `first` and `last`;
    - `by_document`: how the loss spreads over documents (see `documents.by_document`).

    A loss that is not finite, as that of a run that diverged, is a result too: it is None, and
    there are no losses of documents.

    Raises UserError if the window does not fit the split, a token is not in the vocabulary, or the
    model file does not fit the config.
    """
    make_deterministic(threads=1, precision=protocol.precision)
    window = cut_window(tokens, protocol, config.context)
    check_tokens(window.tokens, protocol.start_token, config.vocabulary, protocol.split)
    model = load_model(model_file, config, attention, pick_device())
    losses = target_losses(model, window, protocol.precision).numpy()
    by_position = losses.reshape(-1, config.context).sum(axis=0, dtype=np.float64)
    nats, count = float(by_position.sum()), len(window.targets)
    finite = math.isfinite(nats)
    if not finite:
        print(
            f"{model_file}: its test loss is {nats}; the run diverged (see its trace), or "
            f"evaluation.precision={protocol.precision} overflows: try float32",
            file=sys.stderr,
        )
    size = int(token_bytes(encoding)[window.targets].sum())
    loss, rows = nats / count, count // config.context
    of_split = (losses, tokens, protocol.start_token + 1, encoding.eot_token)
    parts = np.array_split(np.arange(config.context), min(BUCKETS, config.context))
    summary = {
        "test_loss": loss if finite else None,
        "test_loss_text": f"{loss:.6f}" if finite else "not finite",
        "bits_per_byte": nats / math.log(2) / size if finite else None,
        "tokens": count,
        "bytes": size,
        "batches": window.batches,
        "split": protocol.split,
        "start_token": protocol.start_token,
        "precision": protocol.precision,
        "by_position": [
            {
                "first": int(part[0]),
                "last": int(part[-1]),
                "loss": float(by_position[part].sum()) / (rows * len(part)) if finite else None,
            }
            for part in parts
        ],
        "by_document": by_document(*of_split) if finite else {"documents": 0, "tokens": 0},
    }
    return Measured(summary, document_losses(*of_split) if finite else [])


def token_bytes(encoding: tiktoken.Encoding) -> NDArray[np.int64]:
    """The number of bytes of text of each token id, (n_vocab,); end-of-text has none."""
    lengths = [len(encoding.decode_single_token_bytes(id)) for id in range(encoding.n_vocab)]
    lengths[encoding.eot_token] = 0
    return np.array(lengths, dtype=np.int64)
