"""What many tests share: one thread a process, a small valid study, a vocabulary of bytes."""

from __future__ import annotations

import base64
import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiktoken
from hypothesis import settings

if TYPE_CHECKING:
    from noiseband.study.architecture import Model

# Set before torch is imported anywhere: two threads on two busy cores collapse.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shared machine is slow at times, which is no failure. In CI every run tries the same examples;
# elsewhere each tries new ones, and what fails is then mended at leisure.
settings.register_profile("noiseband", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("noiseband")

pytest_plugins = ["tests.hub.fixtures", "tests.pages"]

STUDY: dict[str, Any] = {
    "study": "small",
    "corpora": {
        "text": {
            "sources": [
                {"package": "p", "version": "1.0", "reader": "asv", "sha256": "0" * 64},
            ],
            "tokenizer": {"kind": "bpe", "vocabulary": 512},
        }
    },
    "recipe": {
        "model": {"vocabulary": 512, "context": 16, "width": 16, "heads": 2, "layers": 2},
        "data": {"corpus": "text", "train_tokens": 1000},
        "batch": {"sequences": 8, "microbatch": 2},
        "optimizer": {"learning_rate": 0.01},
    },
    "interventions": {
        "clip": {"optimizer.clip_norm": 0.5},
        "no-dropout": {"model.dropout": 0.0},
        "both": ["clip", "no-dropout"],
    },
    "seeds": {"default": [42], "clip": [42, 22]},
    "noise": {"init_and_train": [42, 22], "train_only": [42, [42, 23]]},
    "runs": [{"name": "again", "repeat_of": "baseline-42"}],
    "baseline": "baseline-42",
}


@pytest.fixture
def study_data() -> dict[str, Any]:
    """A valid study as plain data, to be changed at will."""
    return copy.deepcopy(STUDY)


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rank file of the 256 bytes; end-of-text is 256."""
    file = tmp_path_factory.mktemp("vocabulary") / "vocabulary.tiktoken"
    ranks = (f"{base64.b64encode(bytes([i])).decode()} {i}\n" for i in range(256))
    file.write_text("".join(ranks))
    return file


@pytest.fixture(scope="session")
def encoding(vocabulary: Path) -> tiktoken.Encoding:
    from noiseband.corpus.vocabulary import load_ranks  # after the thread count is set

    return load_ranks(vocabulary)


@pytest.fixture(scope="module")
def model_file(config: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keyed weights of the model that a module or its folder calls `config`."""
    from safetensors.torch import save_file

    from noiseband.model.init import initial_weights

    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_file(initial_weights(config, "keyed", 1), file)
    return file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The real workflow first: it takes longest, and the other workers fill the time."""
    items.sort(key=lambda item: "tests/workflow" not in item.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what processor tests/test_capabilities.py really stood for, wherever it was run."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "lowered to":
                terminalreporter.write_line(f"capabilities lowered to {value}")
