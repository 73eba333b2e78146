"""Bits per byte of whole documents: known answers, and another computation of the same number."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tiktoken
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from noiseband.errors import UserError
from noiseband.evaluate.documents import clustered_error
from noiseband.evaluate.loss import Measured, evaluate
from noiseband.evaluate.window import cut_window
from noiseband.model.init import initial_weights
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.config import Evaluation

TEXTS = ["It was the best of times", "é", "", "it was the worst of times; " * 4, "\n"]
SIZES = [len(text.encode()) for text in TEXTS]
BITS = Evaluation(unit="bits-per-byte", batch=3)


@pytest.fixture
def split(encoding: tiktoken.Encoding) -> NDArray[np.uint16]:
    """All documents, each with its end of text: more than a batch, and no whole row at the end."""
    ids = [id for text in TEXTS for id in [*encoding.encode_ordinary(text), encoding.eot_token]]
    assert len(ids) % 16 and 3 * 16 < len(ids) < 3 * 3 * 16
    return np.array(ids, np.uint16)


def uniform(config: Model, file: Path) -> Path:
    """Weights of a model for which all tokens are equally likely."""
    weights = initial_weights(config, "keyed", 1)
    weights["out_head.weight"].zero_()
    save_file(weights, file)
    return file


def test_a_uniform_model_needs_log2_of_the_vocabulary_for_each_token(
    tmp_path: Path, config: Model, encoding: tiktoken.Encoding, split: NDArray[np.uint16]
) -> None:
    file = uniform(config, tmp_path / "model.safetensors")
    found = evaluate(file, config, "explicit", split, BITS, encoding, SIZES)
    expected = math.log2(257) * len(split) / sum(SIZES)
    assert found.summary["test_loss"] == pytest.approx(expected, rel=1e-6)
    assert found.summary["bits_per_byte"] == found.summary["test_loss"]
    assert found.summary["unit"] == "bits-per-byte" and found.summary["by_position"] == []
    assert (found.summary["tokens"], found.summary["bytes"]) == (len(split), sum(SIZES))
    # A document has a byte for a token, and end-of-text.
    assert [one.document for one in found.documents] == [*range(len(SIZES))]
    expected_bits = [math.log2(257) * (size + 1) for size in SIZES]
    assert [one.total for one in found.documents] == pytest.approx(expected_bits, rel=1e-6)


def test_a_vocabulary_of_half_the_tokens_has_the_same_bytes(
    tmp_path: Path, split: NDArray[np.uint16]
) -> None:
    """Pairs of bytes as tokens: the documents are the same, so only the tokens count."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    ranks |= {b"it": 256, b"was": 257, b"times": 258, b"the": 259}
    ranks |= {b"as": 260, b"im": 261, b"es": 262, b"th": 263, b"ti": 264, b"times;": 265}
    both = tiktoken.Encoding(
        "pairs", pat_str=r"\w+|\W", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 266}
    )
    ids = [id for text in TEXTS for id in [*both.encode_ordinary(text), both.eot_token]]
    model = Model(vocabulary=267, context=8, width=16, heads=2, layers=1, dropout=0.0)
    file = uniform(model, tmp_path / "model.safetensors")
    tokens = np.array(ids, np.uint32)  # as wide as those of a large vocabulary
    found = evaluate(file, model, "explicit", tokens, BITS, both, SIZES).summary
    assert len(ids) < len(split)
    assert found["bytes"] == sum(SIZES)
    assert found["test_loss"] == pytest.approx(math.log2(267) * len(ids) / sum(SIZES), rel=1e-6)


@pytest.fixture
def measured(
    model_file: Path, config: Model, encoding: tiktoken.Encoding, split: NDArray[np.uint16]
) -> Measured:
    return evaluate(model_file, config, "explicit", split, BITS, encoding, SIZES)


def test_bits_are_those_of_every_token_after_the_end_of_a_document(
    measured: Measured,
    model_file: Path,
    config: Model,
    encoding: tiktoken.Encoding,
    split: NDArray[np.uint16],
) -> None:
    """One sequence at a time, in float64, without what fills the last batch."""
    model = load_model(model_file, config, "explicit", torch.device("cpu")).double()
    ids = torch.tensor([encoding.eot_token, *split.tolist()])
    losses = []
    for begin in range(0, len(split), config.context):
        row = ids[begin : begin + config.context + 1]
        with torch.no_grad():
            losses += F.cross_entropy(model(row[None, :-1])[0], row[1:], reduction="none").tolist()
    bits = np.array(losses) / math.log(2)
    assert len(bits) == len(split)
    assert measured.summary["test_loss"] == pytest.approx(bits.sum() / sum(SIZES), rel=1e-6)
    ends = np.flatnonzero(split == encoding.eot_token) + 1
    expected = [part.sum() for part in np.split(bits, ends[:-1])]
    assert [one.total for one in measured.documents] == pytest.approx(expected, rel=1e-5)
    assert [one.size for one in measured.documents] == SIZES
    error = clustered_error(measured.documents)
    residuals = np.array(expected) - bits.sum() / sum(SIZES) * np.array(SIZES)
    assert error == pytest.approx(math.sqrt(5 / 4 * (residuals**2).sum()) / sum(SIZES), rel=1e-4)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_shape_of_a_batch_does_not_move_the_window(
    measured: Measured,
    model_file: Path,
    config: Model,
    encoding: tiktoken.Encoding,
    split: NDArray[np.uint16],
    batch: int,
) -> None:
    other = BITS.model_copy(update={"batch": batch})
    found = evaluate(model_file, config, "explicit", split, other, encoding, SIZES)
    assert found.summary["test_loss"] == pytest.approx(measured.summary["test_loss"], rel=1e-6)
    assert found.summary["tokens"] == len(split)


def test_the_window_is_the_split_after_an_end_of_text(split: NDArray[np.uint16]) -> None:
    window = cut_window(split, BITS, 16, 256)
    assert window.targets.tolist() == split.tolist()
    pairs = [pair for batch in window for pair in zip(*map(torch.flatten, batch), strict=True)]
    inputs, targets = (torch.stack(side).tolist() for side in zip(*pairs, strict=True))
    filling = len(targets) - len(split)
    assert 0 < filling < 3 * 16
    assert inputs == [256, *split.tolist(), *[256] * filling][:-1]
    assert targets == [*split.tolist(), *[256] * filling]


def test_other_documents_than_those_of_the_tokens_are_refused(
    model_file: Path, config: Model, encoding: tiktoken.Encoding, split: NDArray[np.uint16]
) -> None:
    for sizes in (SIZES[1:], [0] * len(SIZES)):
        with pytest.raises(UserError, match="the split has 5 ends of text, but"):
            evaluate(model_file, config, "explicit", split, BITS, encoding, sizes)


def test_a_run_that_diverged_has_no_bits(
    tmp_path: Path,
    model_file: Path,
    config: Model,
    encoding: tiktoken.Encoding,
    split: NDArray[np.uint16],
) -> None:
    weights = load_file(model_file)
    weights["out_head.weight"].fill_(math.nan)
    save_file(weights, tmp_path / "model.safetensors")
    found = evaluate(
        tmp_path / "model.safetensors", config, "explicit", split, BITS, encoding, SIZES
    )
    assert found.summary["test_loss"] is None and found.summary["bits_per_byte"] is None
    assert found.documents == []
