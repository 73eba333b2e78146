"""What many tests share: one thread a process, and a small valid study."""

from __future__ import annotations

import copy
import os
from typing import Any

import pytest

# Set before torch is imported anywhere: two threads on two busy cores collapse.
os.environ.setdefault("OMP_NUM_THREADS", "1")

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The real workflow first: it takes longest, and the other workers fill the time."""
    items.sort(key=lambda item: "tests/workflow" not in item.nodeid)
