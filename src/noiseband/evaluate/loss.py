"""Test loss: token-weighted cross-entropy over a fixed window of the test split."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import tiktoken
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from noiseband.corpus.tokens import open_tokens
from noiseband.corpus.vocabulary import load_encoding
from noiseband.determinism import autocast, make_deterministic, pick_device
from noiseband.errors import UserError
from noiseband.evaluate.window import Window, cut_window
from noiseband.files import write_json
from noiseband.model.gpt import GPT, AttentionKind
from noiseband.model.load import load_model
from noiseband.study.config import Evaluation
from noiseband.study.recipe import Model

BUCKETS = 8
"""Stretches of the context over which the loss by position is averaged."""


def evaluate_file(
    config: Model,
    attention: AttentionKind,
    protocol: Evaluation,
    model: Path,
    tokens: Path,
    vocabulary: Path,
    out: Path,
) -> None:
    """`evaluate` on the test split in the file `tokens`, written to `out` as JSON."""
    split, encoding = open_tokens(tokens), load_encoding(vocabulary)
    write_json(out, evaluate(model, config, attention, split, protocol, encoding))


def evaluate(
    model_file: Path,
    config: Model,
    attention: AttentionKind,
    tokens: NDArray[np.uint16],
    protocol: Evaluation,
    encoding: tiktoken.Encoding,
) -> dict[str, Any]:
    """The test loss of a model, in nats per token, ready to be written as JSON.

    Dropout is off, whatever the config says. `tokens` is the whole test split, shape (any,);
    `encoding` is what it was encoded with. The result holds:

    - `test_loss`: mean of -log p over all targets, accumulated in float64; `test_loss_text`: the
      same to six decimals;
    - `bits_per_byte`: bits for all targets over the bytes of text that they stand for. A document's
      end costs bits and has no bytes, so that vocabularies compare;
    - `tokens` (targets), `bytes`, `batches`, `start_token`, `precision`;
    - `by_position`: mean loss in stretches of the context, `first` and `last` position included.

    Raises UserError for a window that does not fit the split, a model file that does not fit the
    config, and a loss that is not finite.
    """
    make_deterministic(threads=1, precision=protocol.precision)
    window = cut_window(tokens, protocol, config.context)
    model = load_model(model_file, config, attention, pick_device())
    by_position = _loss_by_position(model, window, protocol).numpy()
    nats, count = float(by_position.sum()), len(window.targets)
    if not math.isfinite(nats):
        raise UserError(
            f"{model_file}: its test loss is {nats}; the run diverged (see its trace), or "
            f"evaluation.precision={protocol.precision} overflows: try float32"
        )
    size = int(token_bytes(encoding)[window.targets].sum())
    loss, rows = nats / count, count // config.context
    parts = np.array_split(np.arange(config.context), min(BUCKETS, config.context))
    return {
        "test_loss": loss,
        "test_loss_text": f"{loss:.6f}",
        "bits_per_byte": nats / math.log(2) / size,
        "tokens": count,
        "bytes": size,
        "batches": window.batches,
        "start_token": protocol.start_token,
        "precision": protocol.precision,
        "by_position": [
            {
                "first": int(part[0]),
                "last": int(part[-1]),
                "loss": float(by_position[part].sum()) / (rows * len(part)),
            }
            for part in parts
        ],
    }


@torch.no_grad()
def _loss_by_position(model: GPT, window: Window, protocol: Evaluation) -> Tensor:
    """Sum of -log p(target) over all sequences, for each position: (context,) float64 on CPU."""
    device = model.tok_emb.weight.device
    total = torch.zeros(window.context, dtype=torch.float64, device=device)
    for inputs, targets in window:
        with autocast(protocol.precision, device):
            logits = model(inputs.to(device))
        losses = F.cross_entropy(
            logits.float().flatten(0, 1), targets.to(device).flatten(), reduction="none"
        )
        total += losses.view(window.batch, -1).sum(dim=0, dtype=torch.float64)
    return total.cpu()


def token_bytes(encoding: tiktoken.Encoding) -> NDArray[np.int64]:
    """Bytes of text that each token id stands for, (n_vocab,); end-of-text stands for none."""
    lengths = [len(encoding.decode_single_token_bytes(id)) for id in range(encoding.n_vocab)]
    lengths[encoding.eot_token] = 0
    return np.array(lengths, dtype=np.int64)
