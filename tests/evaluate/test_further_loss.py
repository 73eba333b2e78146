"""A further loss is the test loss of another window, with its standard error over documents."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tiktoken
from numpy.typing import NDArray
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_weights

from noiseband.errors import UserError
from noiseband.evaluate.documents import DocumentLoss, clustered_error
from noiseband.evaluate.further_loss import further_loss
from noiseband.evaluate.loss import evaluate
from noiseband.study.architecture import Model
from noiseband.study.evaluations import Evaluation
from tests.evaluate.further import params, write_fields

WINDOW = {"start_token": 16, "tokens": 160, "batch": 2}


@pytest.fixture
def split(tmp_path: Path, tokens: NDArray[np.uint16]) -> Path:
    save_file({"tokens": tokens}, tmp_path / "test.safetensors")
    return tmp_path / "test.safetensors"


def test_it_is_the_test_loss_of_its_window(
    config: Model, model_file: Path, split: Path, tokens: NDArray[np.uint16], vocabulary: Path,
    encoding: tiktoken.Encoding,
) -> None:  # fmt: skip
    expected = evaluate(
        model_file, config, "explicit", tokens, Evaluation.model_validate(WINDOW), encoding
    )
    found = further_loss(params(config, loss=WINDOW), model_file, split, vocabulary)
    assert found.metrics["loss"].value == expected.summary["test_loss"]
    assert found.metrics["bits_per_byte"].value == expected.summary["bits_per_byte"]
    assert found.about["tokens"] == 160 and found.about["start_token"] == 16
    assert found.items == [str(one.document) for one in expected.documents]
    each, weights = (np.array(found.values[name], np.float64) for name in ("loss", "tokens"))
    assert np.average(each, weights=weights) == pytest.approx(found.metrics["loss"].value)
    error, bits = found.metrics["loss"].standard_error, found.metrics["bits_per_byte"]
    assert error is not None and error > 0 and found.metrics["loss"].n == len(found.items) > 5
    assert bits.standard_error == pytest.approx(error * bits.value / found.metrics["loss"].value)


def test_its_standard_error_is_that_of_drawn_documents() -> None:
    """Compared with 4,000 samples of documents of many lengths from one distribution."""
    draws = np.random.default_rng(1)

    def sample() -> list[DocumentLoss]:
        sizes = draws.integers(5, 200, 60)
        means = 3 + draws.normal(0, 0.5, 60)
        pairs = zip(sizes, sizes * means, strict=True)
        return [DocumentLoss(n, int(size), float(nats)) for n, (size, nats) in enumerate(pairs)]

    samples = [sample() for _ in range(4000)]
    losses = [sum(d.nats for d in one) / sum(d.tokens for d in one) for one in samples]
    errors = np.array([clustered_error(one) for one in samples], np.float64)
    assert math.sqrt((errors**2).mean()) == pytest.approx(np.std(losses), rel=0.05)
    assert clustered_error(samples[0][:1]) is None


BY = {"language": ["python", "go"]}


@pytest.fixture
def fields(tmp_path: Path, tokens: NDArray[np.uint16], encoding: tiktoken.Encoding) -> Path:
    """A language of each document of the split, in turn; the first tokens have the first."""
    count = int((tokens == encoding.eot_token).sum()) + 1
    languages = ("python", "go", "c")
    return write_fields(tmp_path / "fields.parquet", [languages[n % 3] for n in range(count)])


def test_slices_are_the_losses_of_their_documents(
    config: Model, model_file: Path, split: Path, vocabulary: Path, fields: Path
) -> None:
    whole = further_loss(params(config, loss=WINDOW), model_file, split, vocabulary)
    by = {**WINDOW, "by": BY}
    found = further_loss(params(config, loss=by), model_file, split, vocabulary, fields)
    assert found.metrics["loss"] == whole.metrics["loss"]
    assert found.values == whole.values and not whole.slices
    expected = [("python", "go", None)[int(item) % 3] for item in found.items]
    assert found.slices == expected
    losses, weights = (np.array(found.values[name], np.float64) for name in ("loss", "tokens"))
    shares = []
    for name in ("python", "go"):
        own = np.array([one == name for one in expected])
        measured = found.metrics[f"loss.{name}"]
        loss = np.average(losses[own], weights=weights[own])
        assert measured.value == pytest.approx(loss) and measured.n == own.sum() > 1
        each = [
            DocumentLoss(0, int(size), loss * size)
            for loss, size in zip(losses[own], weights[own], strict=True)
        ]
        assert measured.standard_error == pytest.approx(clustered_error(each))
        shares.append((measured.value, weights[own].sum()))
    rest = np.array([one is None for one in expected])
    shares.append((np.average(losses[rest], weights=weights[rest]), weights[rest].sum()))
    total = np.average([loss for loss, _ in shares], weights=[size for _, size in shares])
    assert total == pytest.approx(found.metrics["loss"].value)


def test_a_slice_without_documents_is_named(
    config: Model, model_file: Path, split: Path, vocabulary: Path, fields: Path
) -> None:
    window = {**WINDOW, "by": {"language": ["go", "pyton"]}}
    with pytest.raises(UserError) as error:
        further_loss(params(config, loss=window), model_file, split, vocabulary, fields)
    assert str(error.value) == (
        "evaluations.mine.loss.by.language: pyton: no document of the window has it; correct it "
        "(the most frequent are python, go, c), take more tokens, or leave it out"
    )


def test_a_model_that_diverged_has_no_loss(
    tmp_path: Path, config: Model, model_file: Path, split: Path, vocabulary: Path, fields: Path
) -> None:
    weights = load_file(model_file)
    weights["final_norm.scale"].fill_(math.nan)
    save_weights(weights, tmp_path / "nan.safetensors")
    broken = tmp_path / "nan.safetensors"
    by = {**WINDOW, "by": BY}
    found = further_loss(params(config, loss=by), broken, split, vocabulary, fields)
    assert found.metrics.keys() == {"loss", "bits_per_byte", "loss.python", "loss.go"}
    assert all(math.isnan(one.value) for one in found.metrics.values())
    assert found.items == []
