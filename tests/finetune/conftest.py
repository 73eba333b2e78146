"""A tiny model with weights on disk, a byte-level vocabulary, and rows to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.finetune.rows import Row, read_rows
from noiseband.io.files import write_jsonl
from noiseband.study.architecture import Model
from noiseband.study.config import Protocol


@pytest.fixture(scope="session")
def config() -> Model:
    return Model(vocabulary=257, context=32, width=16, heads=2, layers=1, dropout=0.9)


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """27 train, 6 test and 7 validation rows; the task is to double a letter."""

    def row(i: int) -> dict[str, Any]:
        split = "train" if i < 27 else "test" if i < 33 else "validation"
        letters = "abcdefgh"[i % 8] + "ijklmno"[i % 7]
        text = {"instruction": f"Double {letters}", "input": "now" if i % 3 == 0 else ""}
        return {**text, "output": letters * 2, "synthetic": True, "split": split}

    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_jsonl(file, map(row, range(40)))
    return file


@pytest.fixture(scope="session")
def rows(rows_file: Path) -> list[Row]:
    return read_rows(rows_file)


@pytest.fixture(scope="session")
def protocol() -> Protocol:
    return Protocol(
        instructions="letters",
        epochs=3,
        patience=None,
        learning_rate=1e-2,
        batch=4,
        dropout=0.1,
        template="short",
        max_new_tokens=10,
    )
