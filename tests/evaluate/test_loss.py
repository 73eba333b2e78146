"""The test loss agrees with PyTorch's own cross-entropy in float64 on the same weights."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiktoken
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from noiseband.corpus.vocabulary import token_bytes
from noiseband.errors import UserError
from noiseband.evaluate import forward
from noiseband.evaluate.documents import DocumentLoss
from noiseband.evaluate.loss import evaluate, evaluate_file
from noiseband.evaluate.window import cut_window
from noiseband.io.tables import read_rows
from noiseband.model.init import initial_weights
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.config import Evaluation
from noiseband.study.params import EvaluateParams

Tokens = NDArray[np.uint16]
PROTOCOL = Evaluation(start_token=10, tokens=200, batch=3)  # 4 batches of 48: 192 targets


@pytest.fixture
def result(
    model_file: Path, config: Model, tokens: Tokens, encoding: tiktoken.Encoding
) -> dict[str, Any]:
    return evaluate(model_file, config, "explicit", tokens, PROTOCOL, encoding).summary


@pytest.fixture
def losses(model_file: Path, config: Model, tokens: Tokens) -> torch.Tensor:
    """-log p of every target, (12 sequences, 16 positions), all in float64, one at a time."""
    model = load_model(model_file, config, "explicit", torch.device("cpu")).double()
    rows = []
    for begin in range(10, 202, 16):
        block = torch.from_numpy(tokens[begin : begin + 17].astype(np.int64))
        logits = model(block[None, :-1])[0]
        rows.append(F.cross_entropy(logits, block[1:], reduction="none").detach())
    return torch.stack(rows)


def test_loss_is_the_mean_over_the_window(result: dict[str, Any], losses: torch.Tensor) -> None:
    assert result["test_loss"] == pytest.approx(float(losses.mean()), abs=1e-6)
    assert result["test_loss_text"] == f"{result['test_loss']:.6f}"
    keys = ("tokens", "batches", "split", "start_token", "precision")
    assert [result[key] for key in keys] == [192, 4, "test", 10, "float32"]


def test_loss_by_position(result: dict[str, Any], losses: torch.Tensor) -> None:
    parts = result["by_position"]
    assert [(part["first"], part["last"]) for part in parts] == [
        (i, i + 1) for i in range(0, 16, 2)
    ]
    expected = losses.view(12, 8, 2).mean(dim=(0, 2)).tolist()
    assert [part["loss"] for part in parts] == pytest.approx(expected, abs=1e-6)


def test_loss_by_document(
    result: dict[str, Any], losses: torch.Tensor, tokens: Tokens, encoding: tiktoken.Encoding
) -> None:
    flat = losses.flatten().tolist()  # losses of targets 11 to 202
    ends = [place for place in range(403) if tokens[place] == encoding.eot_token]
    means = {
        number: sum(flat[begin + 1 - 11 : end + 1 - 11]) / (end - begin)
        for number, (begin, end) in enumerate(pairwise(ends), start=1)
        if begin + 1 >= 11 and end <= 202
    }
    summary = result["by_document"]
    assert summary["documents"] == len(means) == 8
    assert summary["quantiles"]["0.50"] == pytest.approx(np.median([*means.values()]), abs=1e-6)
    hardest = summary["hardest"][0]
    number = max(means, key=lambda number: means[number])
    assert hardest["document"] == number
    assert hardest["loss"] == pytest.approx(means[number], abs=1e-6)
    assert (hardest["first_token"], hardest["stop_token"]) == (
        ends[number - 1] + 1,
        ends[number] + 1,
    )


def test_bits_per_byte_counts_text_and_not_its_ends(
    result: dict[str, Any], losses: torch.Tensor, tokens: Tokens, encoding: tiktoken.Encoding
) -> None:
    ends = int((tokens[11:203] == encoding.eot_token).sum())
    assert ends > 0
    assert result["bytes"] == 192 - ends  # every other token of this vocabulary is one byte
    bits = float(losses.sum()) / math.log(2)
    assert result["bits_per_byte"] == pytest.approx(bits / (192 - ends), rel=1e-6)


def test_token_bytes_add_up_to_the_text() -> None:
    encoding = tiktoken.Encoding(
        "test",
        pat_str=r"\S+|\s+",
        mergeable_ranks={**{bytes([i]): i for i in range(256)}, b"th": 256, "é".encode(): 257},
        special_tokens={"<|endoftext|>": 258},
    )
    ids = encoding.encode_ordinary("the thé")
    assert len(ids) == 5
    lengths = token_bytes(encoding)
    assert lengths is not None
    assert lengths[ids].sum() == len("the thé".encode())
    assert lengths[encoding.eot_token] == 0


def test_dropout_is_off_and_evaluating_twice_gives_the_same(
    result: dict[str, Any],
    model_file: Path,
    config: Model,
    tokens: Tokens,
    encoding: tiktoken.Encoding,
) -> None:
    undropped = config.model_copy(update={"dropout": 0.0})
    assert evaluate(model_file, undropped, "explicit", tokens, PROTOCOL, encoding).summary == result


def test_rounded_operands_give_the_losses_of_16_bit_products(
    model_file: Path,
    config: Model,
    tokens: Tokens,
    losses: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = load_model(model_file, config, "explicit", torch.device("cpu"))
    window = cut_window(tokens, PROTOCOL, config.context)
    found = {}
    for instructions in (True, False):
        monkeypatch.setattr("noiseband.products.has_products", lambda _, has=instructions: has)
        found[instructions] = forward.target_losses(model, window, "bfloat16-amp").double()
    away = float((found[True] - losses.flatten()).norm())
    assert float((found[True] - found[False]).norm()) < 0.2 * away


def test_other_precision_is_near_and_not_equal(
    result: dict[str, Any],
    model_file: Path,
    config: Model,
    tokens: Tokens,
    encoding: tiktoken.Encoding,
) -> None:
    protocol = PROTOCOL.model_copy(update={"precision": "bfloat16-amp"})
    other = evaluate(model_file, config, "explicit", tokens, protocol, encoding).summary
    assert other["precision"] == "bfloat16-amp"
    assert other["test_loss"] != result["test_loss"]
    assert other["test_loss"] == pytest.approx(result["test_loss"], abs=0.05)


def test_buckets_of_a_short_and_an_uneven_context(
    tmp_path: Path, tokens: Tokens, encoding: tiktoken.Encoding
) -> None:
    for context, expected in ((4, [1] * 4), (11, [2, 2, 2, 1, 1, 1, 1, 1])):
        config = Model(vocabulary=257, context=context, width=8, heads=1, layers=1)
        save_file(initial_weights(config, "keyed", 1), tmp_path / "model.safetensors")
        result = evaluate(
            tmp_path / "model.safetensors", config, "explicit", tokens, Evaluation(), encoding
        ).summary
        sizes = [part["last"] - part["first"] + 1 for part in result["by_position"]]
        assert sizes == expected
        mean = sum(part["loss"] * n for part, n in zip(result["by_position"], sizes, strict=True))
        assert mean / context == pytest.approx(result["test_loss"])


def test_a_model_that_diverged_has_no_loss(
    tmp_path: Path,
    model_file: Path,
    config: Model,
    tokens: Tokens,
    encoding: tiktoken.Encoding,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights = load_file(model_file)
    weights["final_norm.shift"][0] = math.nan
    save_file(weights, tmp_path / "model.safetensors")
    diverged = tmp_path / "model.safetensors"
    found = evaluate(diverged, config, "explicit", tokens, PROTOCOL, encoding)
    assert found.documents == []
    assert (found.summary["test_loss"], found.summary["bits_per_byte"]) == (None, None)
    assert {part["loss"] for part in found.summary["by_position"]} == {None}
    assert "test loss is nan; the run diverged" in capsys.readouterr().err


def test_long_batches_are_cut_into_blocks_of_rows(
    monkeypatch: pytest.MonkeyPatch,
    result: dict[str, Any],
    model_file: Path,
    config: Model,
    tokens: Tokens,
    encoding: tiktoken.Encoding,
) -> None:
    for rows, logits in ((5, 700), (7, 1), (48, 257 * 48), (1000, 10**6)):  # a batch has 48 rows
        monkeypatch.setitem(forward.BLOCK_ROWS, "cpu", rows)
        monkeypatch.setitem(forward.PASS, "cpu", logits)
        other = evaluate(model_file, config, "explicit", tokens, PROTOCOL, encoding).summary
        assert other["test_loss"] == pytest.approx(result["test_loss"], abs=1e-7)


def test_logits_of_any_size_have_a_finite_loss(
    tmp_path: Path, model_file: Path, config: Model, tokens: Tokens, encoding: tiktoken.Encoding
) -> None:
    weights = load_file(model_file)
    weights["out_head.weight"] *= 1e4
    save_file(weights, tmp_path / "model.safetensors")
    result = evaluate(
        tmp_path / "model.safetensors", config, "explicit", tokens, PROTOCOL, encoding
    ).summary
    assert 1e3 < result["test_loss"] < 1e6


@pytest.mark.bits
def test_any_number_of_threads_and_processes_gives_the_same_bytes(
    tmp_path: Path, vocabulary: Path
) -> None:
    """Each evaluation is a process, as in the workflow, and all run at the same time."""
    # With odd sizes, PyTorch's threads would split arrays differently and give other digits.
    config = Model(vocabulary=257, context=33, width=66, heads=2, layers=1)
    protocol = Evaluation(batch=21)
    drawn = np.random.default_rng(0).integers(0, 257, 10 * 21 * 33 + 1, dtype=np.uint16)
    model, split = tmp_path / "model.safetensors", tmp_path / "test.safetensors"
    save_file(initial_weights(config, "keyed", 1), model)
    save_file({"tokens": torch.from_numpy(drawn)}, split)
    params = EvaluateParams(model=config, attention="explicit", evaluation=protocol)
    command = [sys.executable, "-m", "noiseband", "evaluate", "--params", params.text]
    command += ["--model", str(model), "--tokens", str(split), "--vocabulary", str(vocabulary)]
    outs = {threads: tmp_path / f"{threads}.json" for threads in (1, 2, 7)}
    tables = {threads: out.with_suffix(".csv") for threads, out in outs.items()}
    started = [
        subprocess.Popen(
            [*command, "--out", str(out), "--documents", str(tables[threads])],
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        for threads, out in outs.items()
    ]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert len({out.read_bytes() for out in outs.values()}) == 1
    assert len({out.read_bytes() for out in tables.values()}) == 1


def test_files(
    tmp_path: Path,
    result: dict[str, Any],
    model_file: Path,
    config: Model,
    tokens: Tokens,
    vocabulary: Path,
) -> None:
    split, out = tmp_path / "test.safetensors", tmp_path / "runs" / "test_loss.json"
    save_file({"tokens": torch.from_numpy(tokens)}, split)
    table = out.with_name("test_documents.csv")
    evaluate_file(config, "explicit", PROTOCOL, model_file, split, vocabulary, out, table)
    assert json.loads(out.read_text()) == result
    documents = read_rows(table, DocumentLoss)
    assert sum(one.tokens for one in documents) == result["tokens"]
    nats = sum(one.nats for one in documents)
    assert nats / result["tokens"] == pytest.approx(result["test_loss"], rel=1e-12)


def test_tokens_of_another_vocabulary_are_named(
    model_file: Path, config: Model, tokens: Tokens, encoding: tiktoken.Encoding
) -> None:
    tokens = tokens.copy()
    tokens[50] = 257
    with pytest.raises(UserError, match="token 50 of the test split is 257, but the model has ids"):
        evaluate(model_file, config, "explicit", tokens, PROTOCOL, encoding)
