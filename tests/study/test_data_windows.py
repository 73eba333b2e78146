"""The tokens that the published series read, checked against a study that describes its runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from noiseband.evaluate.window import cut_window
from noiseband.plan.memory import parameter_count
from noiseband.study import Study, StudyError, parse_study
from noiseband.train.data import TokenWindow

TRAIN, HELD_OUT = 10_248_871_837, 102_163_003
SERIES: dict[str, Any] = {
    "study": "series",
    "corpora": {
        "fineweb": {
            "tokenised": {
                "repo": "gpjt/fineweb-gpt2-tokens",
                "revision": "main",
                "unpinned": True,
                "train": "train.safetensors",
                "test": "validation.safetensors",
            },
            "tokenizer": {"kind": "gpt2"},
            "tokens": {"train": TRAIN, "validation": 0, "test": HELD_OUT},
        }
    },
    "recipe": {
        "model": {"vocabulary": 50257, "context": 1024, "width": 768, "heads": 12, "layers": 12},
        "data": {"corpus": "fineweb", "train_tokens": 3_260_190_720},
        "batch": {"sequences": 96, "microbatch": 12},
        "optimizer": {"learning_rate": 0.0004},
        "precision": "float16-amp",
    },
    "interventions": {
        "qkv-bias": {"model.qkv_bias": True},
        "weight-tying": {"model.tied": True},
    },
    "evaluation": {"start_token": 50_000_000, "tokens": 19_660_800, "batch": 6},
    "noise": {"init_and_train": [42]},
    "runs": [{"name": "extended", "continues": "baseline-42"}],
    "baseline": "baseline-42",
}


@pytest.fixture(scope="module")
def series() -> Study:
    return parse_study(SERIES)


def split(tokens: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """An array of many tokens that takes the memory of one."""
    return np.broadcast_to(np.uint16(7), (tokens,))


def test_twenty_tokens_a_parameter_rounded_up_to_whole_steps(series: Study) -> None:
    recipe = series.runs["baseline-42"].built_in
    assert recipe.data.train_tokens == 20 * parameter_count(recipe.model)
    assert recipe.tokens_per_step == 96 * 1024 == 98_304
    assert recipe.steps == 33_165
    assert recipe.steps * recipe.tokens_per_step == 3_260_252_160
    assert (recipe.steps - 1) * recipe.tokens_per_step < recipe.data.train_tokens
    assert recipe.last_token == 3_260_252_161


@pytest.mark.parametrize(
    ("run", "parameters"),
    [
        ("baseline-42", 163_009_536),
        ("qkv-bias-42", 163_037_184),
        ("weight-tying-42", 124_412_160),
    ],
)
def test_parameters(series: Study, run: str, parameters: int) -> None:
    assert parameter_count(series.runs[run].built_in.model) == parameters


def test_checkpoints(series: Study) -> None:
    checkpoints, end = series.config.checkpoints, series.runs["baseline-42"].built_in.steps
    steps = [step for step in range(end) if checkpoints.due(step) or step + 1 == end]
    assert len(steps) == 55
    assert (steps[0], steps[1], steps[-1]) == (0, 617, 33_164)


def test_the_test_window_is_3200_batches_from_token_50_million(series: Study) -> None:
    window = cut_window(split(HELD_OUT), series.config.evaluation, 1024)
    assert window.batches == 3_200
    assert len(window.targets) == 3_200 * 6 * 1024 == 19_660_800
    assert 50_000_000 + len(window.tokens) == 69_660_801 < HELD_OUT


def test_a_run_reads_to_its_last_token_and_no_further(series: Study) -> None:
    recipe = series.runs["baseline-42"].built_in
    window = TokenWindow(split(recipe.last_token), recipe, torch.device("cpu"))
    inputs, targets = window.batch(recipe.steps - 1, recipe.batch.slots - 1)
    assert inputs.shape == targets.shape == (12, 1024)


def test_a_run_that_goes_on_starts_at_the_next_token(series: Study) -> None:
    data = series.runs["extended"].built_in.data
    assert data.start_token == 3_260_252_160
    assert series.runs["extended"].built_in.last_token == 6_520_504_321


def test_a_run_that_wants_more_than_there_is_is_refused_before_any_download() -> None:
    recipe = {**SERIES["recipe"], "data": {"corpus": "fineweb", "train_tokens": TRAIN}}
    with pytest.raises(StudyError, match=r"reads to token 10,248,880,129 but .* 10,248,871,837"):
        parse_study({**SERIES, "recipe": recipe, "runs": []})
