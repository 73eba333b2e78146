"""Rows are checked one by one, and a bad one is named by number and reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.finetune.rows import Row, read_rows
from noiseband.io.files import write_jsonl

GOOD = [
    {"instruction": "Ask", "input": "", "output": "Say", "split": split, "synthetic": True}
    for split in ("train", "test", "validation")
]


def test_rows_as_they_are_written(rows: list[Row]) -> None:
    assert len(rows) == 40
    assert rows[0] == Row(1, "Double ai", "now", "aiai", "train")
    assert rows[39] == Row(40, "Double hm", "now", "hmhm", "validation")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"instruction": 3}, "row 2: instruction is 3, not text"),
        ({"instruction": " "}, "row 2: instruction is empty"),
        ({"input": None}, "row 2: input is null, not text"),
        ({"output": "\n"}, "row 2: output is empty"),
        ({"split": "dev"}, "row 2: split is 'dev', not one of train, test, validation"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    file = tmp_path / "rows.jsonl"
    write_jsonl(file, [GOOD[0], {**GOOD[1], **change}, GOOD[2]])
    with pytest.raises(UserError, match=reason):
        read_rows(file)


def test_no_object(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('["Ask", "Say"]\n')
    with pytest.raises(UserError, match="row 1: not a JSON object"):
        read_rows(file)


@pytest.mark.parametrize("split", ["train", "test", "validation"])
def test_every_split_needs_rows(tmp_path: Path, split: str) -> None:
    file = tmp_path / "rows.jsonl"
    write_jsonl(file, [row for row in GOOD if row["split"] != split])
    with pytest.raises(UserError, match=f"none of its 2 rows has split '{split}'"):
        read_rows(file)
