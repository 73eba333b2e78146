"""Metrics that are ideas of plugins, on the window of a further loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from noiseband.corpus.token_file import Tokens
from noiseband.corpus.vocabulary import Encoding
from noiseband.determinism import make_deterministic, pick_device, seed_everything
from noiseband.evaluate.documents import clustered_error, document_losses
from noiseband.evaluate.window import Window, cut_window
from noiseband.ideas.load import idea
from noiseband.io.metrics import Measured
from noiseband.model.gpt import GPT
from noiseband.model.ideas import checked_values
from noiseband.model.load import load_model
from noiseband.study.evaluation_params import EvaluationParams

ROWS = 256
"""Tokens whose logits a metric is given at once."""


def own_metrics(
    params: EvaluationParams,
    model: Path,
    tokens: Tokens,
    encoding: Encoding,
) -> dict[str, Measured]:
    """The mean of each metric over the tokens of the window, by its name without that of its file,
    with a standard error that is clustered by document.

    Raises UserError if a metric fails, or gives no value for each token.
    """
    protocol = params.evaluation.loss
    assert protocol is not None  # The rule asks only for evaluations of this kind.
    make_deterministic(threads=1, precision="float32")
    window = cut_window(tokens, protocol, params.network.context)
    network = load_model(model, params.network, params.attention, pick_device())
    functions = {kind: idea("metric", kind, params.plugins) for kind in protocol.metrics}
    found = {}
    for kind, values in _values(network, window, functions).items():
        first = protocol.start_token + 1
        each = document_losses(values, tokens, first, encoding.eot_token)
        mean = float(values.mean(dtype=np.float64))
        error = clustered_error(each) if math.isfinite(mean) else None
        found[kind.rpartition(".")[2]] = Measured(mean, error, len(each))
    return found


@torch.inference_mode()
def _values(
    model: GPT, window: Window, functions: dict[str, Callable[[Tensor, Tensor], Tensor]]
) -> dict[str, NDArray[np.float32]]:
    """Each metric's value for each target of the window, in order."""
    device = model.tok_emb.weight.device
    parts: dict[str, list[Tensor]] = {kind: [] for kind in functions}
    for inputs, targets in window:
        hidden = model.hidden(inputs.to(device)).flatten(0, 1)
        of = targets.to(device).flatten()
        for begin in range(0, len(hidden), ROWS):
            part = slice(begin, begin + ROWS)
            logits = model.logits(hidden[part]).float()
            for kind, function in functions.items():
                seed_everything(0, device)
                values = function(logits.clone(), of[part].clone())
                values = checked_values(kind, values, of[part], trained=False)
                parts[kind].append(values.float().cpu())
    return {kind: torch.cat(some).numpy() for kind, some in parts.items()}
