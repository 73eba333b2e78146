"""The loss on any corpus of the study, as a further evaluation."""

from __future__ import annotations

import math
from pathlib import Path

from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.vocabulary import load_encoding
from noiseband.evaluate.documents import clustered_error
from noiseband.evaluate.loss import document_sizes, evaluate
from noiseband.evaluate.outcome import Outcome
from noiseband.evaluate.own_metrics import own_metrics
from noiseband.evaluate.slices import sliced_losses, window_slices
from noiseband.io.metrics import Measured
from noiseband.study.evaluation_params import EvaluationParams


def further_loss(
    params: EvaluationParams,
    model: Path,
    tokens: Path,
    vocabulary: Path,
    fields: Path | None = None,
    texts: Path | None = None,
) -> Outcome:
    """The loss of a model on the split in the file `tokens`, as `loss.evaluate` measures it.

    Its metrics are `loss`, in the unit of the evaluation, `bits_per_byte`, if the bytes of the text
    are known, the loss of each slice, and those that are ideas of plugins. Its items are the
    documents of the window, with `loss` and `tokens` of each (or `bytes`, if the unit is bits per
    byte), and the slice. The standard errors are clustered by document.

    Args:
        fields: the fields of the split's documents, if there are slices.
        texts: the documents of the split, if the unit is bits per byte.

    Raises:
        UserError: no document of the window is in one of the slices.
    """
    window = params.evaluation.loss
    assert window is not None  # The rule asks only for evaluations of this kind.
    split, encoding = open_tokens(tokens), load_encoding(vocabulary)
    slices: list[str | None] = []
    if fields is not None:
        key, context = f"evaluations.{params.name}.loss", params.network.context
        slices = window_slices(key, window, context, split, encoding.eot_token, fields)
    sizes = document_sizes(texts) if window.in_bits else None
    measured = evaluate(model, params.network, params.attention, split, window, encoding, sizes)
    each, summary = measured.documents, measured.summary
    about = {key: value for key, value in summary.items() if not key.startswith("by_")}
    value, bits = about.pop("test_loss"), about.pop("bits_per_byte", None)
    about.pop("test_loss_text")
    counted = "bytes" if window.in_bits else "tokens"
    if window.by is not None:
        about["by"] = window.field
    if value is None:
        own_names = [kind.rpartition(".")[2] for kind in window.metrics]
        sized = ["bits_per_byte"] if "bytes" in summary else []
        metrics = ("loss", *sized, *window.slices, *own_names)
        none = dict.fromkeys(metrics, Measured(math.nan))
        return Outcome(none, about, [], {"loss": [], counted: []})
    error, count = clustered_error(each), len(each)
    of_bits = None if error is None or bits is None else error * bits / value
    in_bits = {} if bits is None else {"bits_per_byte": Measured(bits, of_bits, count)}
    return Outcome(
        {
            "loss": Measured(value, error, count),
            **in_bits,
            **sliced_losses(window.slices.values(), each, slices),
            **(own_metrics(params, model, split, encoding) if window.metrics else {}),
        },
        about,
        [str(one.document) for one in each],
        {
            "loss": [one.total / one.size if one.size else None for one in each],
            counted: [float(one.size) for one in each],
        },
        slices,
    )
