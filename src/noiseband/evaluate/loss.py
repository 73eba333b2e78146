"""Compute the test loss: token-weighted cross-entropy over a fixed window of held-out tokens, or
bits per byte of whole documents."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from noiseband.corpus.documents import read_documents
from noiseband.corpus.token_file import Tokens, check_tokens, open_tokens
from noiseband.corpus.vocabulary import Encoding, load_encoding, token_bytes
from noiseband.determinism import make_deterministic, pick_device
from noiseband.errors import UserError
from noiseband.evaluate.documents import (
    AnyDocument,
    DocumentBits,
    DocumentLoss,
    by_document,
    count,
    document_losses,
    in_bits,
)
from noiseband.evaluate.forward import target_losses
from noiseband.evaluate.window import cut_window, first_target
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
    documents: Sequence[AnyDocument]
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
    texts: Path | None = None,
) -> None:
    """Measure a model with `evaluate` on the split in the file `tokens`: the summary goes to `out`
    as JSON, and the loss of each document to `documents` as CSV.

    Args:
        texts: the documents of the split, for a loss in bits per byte.
    """
    split, encoding = open_tokens(tokens), load_encoding(vocabulary)
    sizes = document_sizes(texts) if protocol.in_bits else None
    measured = evaluate(model, config, attention, split, protocol, encoding, sizes)
    kind = DocumentBits if protocol.in_bits else DocumentLoss
    write_rows(documents, kind, measured.documents)
    write_json(out, measured.summary)


def document_sizes(texts: Path | None) -> list[int]:
    """The bytes of each document's text in UTF-8, in the order of the file `texts`.

    Raises UserError if there is no such file.
    """
    if texts is None:
        raise UserError("a loss in bits per byte needs the documents of the split; name their file")
    return [len(document.text.encode()) for document in read_documents(texts)]


def evaluate(
    model_file: Path,
    config: Model,
    attention: AttentionKind,
    tokens: Tokens,
    protocol: Evaluation,
    encoding: Encoding,
    sizes: Sequence[int] | None = None,
) -> Measured:
    """The test loss of a model, in the protocol's unit, and the loss of each document.

    Dropout is off, whatever the config says. `tokens` is the whole split, shape (any,), which was
    encoded with `encoding`. One thread does the arithmetic, so the bits do not depend on the number
    of threads or processes. The summary has:

    - `test_loss`: mean of -log p over all targets in nats, accumulated in float64;
      `test_loss_text`: the same to six decimals;
    - `bits_per_byte`: the bits of all targets divided by the bytes of their text. The end of a
      document costs bits but has no bytes, so that vocabularies can be compared. Without it and
      `bytes` if the ids of a tokenizer of one's own do not stand for bytes;
    - `tokens` (targets), `bytes`, `batches`, `split`, `start_token`, `precision`;
    - `by_position`: mean loss in segments of the context, including positions `first` and `last`;
    - `by_document`: how the loss spreads over documents (see `documents.by_document`).

    With the unit bits per byte, the targets are all tokens of the split, `test_loss` and
    `bits_per_byte` are the same number, the sum of -log2 p over the bytes of the documents in
    `sizes`, `unit` says so, and what could only be in nats is left out: `by_position` is empty, and
    `by_document` has only the number of documents.

    A loss that is not finite, as that of a run that diverged, is a result too: it is None, and
    there are no losses of documents.

    Raises UserError if the window does not fit the split, a token is not in the vocabulary, the
    model file does not fit the config, or the split has other documents than `sizes`.
    """
    make_deterministic(threads=1, precision=protocol.precision)
    window = cut_window(tokens, protocol, config.context, encoding.eot_token)
    first = first_target(protocol)
    check_tokens(window.tokens, first - 1, config.vocabulary, protocol.split)
    model = load_model(model_file, config, attention, pick_device())
    losses = target_losses(model, window, protocol.precision).numpy()
    about = {
        "batches": window.batches,
        "split": protocol.split,
        "start_token": protocol.start_token,
        "precision": protocol.precision,
    }
    if protocol.in_bits:
        measured = _in_bits(losses, tokens, encoding, sizes or [], about)
    else:
        lengths = token_bytes(encoding)
        size = None if lengths is None else int(lengths[window.targets].sum())
        of_split = (losses, tokens, first, encoding.eot_token)
        measured = _in_nats(of_split, config.context, size, about)
    if measured.summary["test_loss"] is None:
        print(
            f"{model_file}: its test loss is {losses.sum(dtype=np.float64)}; the run diverged (see "
            f"its trace), or evaluation.precision={protocol.precision} overflows: try float32",
            file=sys.stderr,
        )
    return measured


def _in_nats(
    of_split: tuple[NDArray[np.float32], Tokens, int, int],
    context: int,
    size: int | None,
    about: dict[str, Any],
) -> Measured:
    """The loss per token of a window's losses, its tokens' split, its first target in it and the id
    that ends a document. `size` is the bytes of the text, if known."""
    losses = of_split[0]
    by_position = losses.reshape(-1, context).sum(axis=0, dtype=np.float64)
    nats, rows = float(by_position.sum()), len(losses) // context
    finite = math.isfinite(nats)
    parts = np.array_split(np.arange(context), min(BUCKETS, context))
    summary = {
        **_losses(nats / len(losses), nats / math.log(2) / (size or 1), len(losses), size),
        **about,
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


def _in_bits(
    losses: NDArray[np.float32],
    tokens: Tokens,
    encoding: Encoding,
    sizes: Sequence[int],
    about: dict[str, Any],
) -> Measured:
    """The loss of whole documents per byte, from the losses of all tokens of their split.

    Raises UserError unless there are as many documents as ends of text.
    """
    ends, size = count(tokens, encoding.eot_token), sum(sizes)
    if ends != len(sizes) or not size:
        raise UserError(
            f"the split has {ends:,} ends of text, but {len(sizes):,} documents with {size:,} "
            "bytes; tokenise the corpus again"
        )
    bits = float(losses.sum(dtype=np.float64)) / math.log(2) / size
    summary = {
        **_losses(bits, bits, len(losses), size),
        **about,
        "unit": "bits-per-byte",
        "by_position": [],
        "by_document": {"documents": len(sizes)},
    }
    each = document_losses(losses, tokens, 0, encoding.eot_token) if math.isfinite(bits) else []
    return Measured(summary, in_bits(each, sizes) if each else [])


def _losses(loss: float, bits: float, tokens: int, size: int | None) -> dict[str, Any]:
    """The first entries of a summary, with None for what is not finite."""
    finite = math.isfinite(loss)
    return {
        "test_loss": loss if finite else None,
        "test_loss_text": f"{loss:.6f}" if finite else "not finite",
        **({} if size is None else {"bits_per_byte": bits if finite else None}),
        "tokens": tokens,
        **({} if size is None else {"bytes": size}),
    }
