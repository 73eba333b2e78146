"""A command's results for each item: what is read, and what is wrong, with its row."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.evaluate.item_lines import read_item_lines

METRICS = ("accuracy", "loss")


def test_lines_in_any_order_give_the_same_items(tmp_path: Path) -> None:
    lines = ['{"item": "b\u2028", "loss": 1}', '{"item": "a", "loss": 2.5, "accuracy": 0}', ""]
    found = []
    for order in (lines, lines[::-1]):
        (tmp_path / "items.jsonl").write_text("\n".join(order))
        found.append(read_item_lines(tmp_path / "items.jsonl", METRICS))
    assert found[0] == found[1] == (
        ["a", "b\u2028"], {"accuracy": [0, None], "loss": [2.5, 1]}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "",
            ': has no results; write a line for each item, such as {"item": "1", "accuracy": 0.5}',
        ),
        ('{"item": "1"}', ": has no results; write a line for each item"),
        ('{"item": "1", "loss": 1}\n{"item"', ": row 2: not JSON ("),
        ("[1]", ": row 1: [1] is not an object of keys"),
        ('{"loss": 1}', ": row 1: item: missing; write the item's name, in quotes"),
        ('{"item": 3}', ": row 1: item: 3 is not a text; write the item's name, in quotes"),
        ('{"item": "\\ud800"}', ": row 1: item: has half a surrogate pair"),
        (
            '{"item": "x", "loss": 1}\n\n{"item": "x", "loss": 2}',
            ': row 3: item: "x" is that of row 1 too; change one',
        ),
        (
            '{"item": "x", "acuracy": 1}',
            ": row 1: acuracy: no such metric; did you mean accuracy?, or write its metric to "
            "metrics.json too",
        ),
        ('{"item": "x", "loss": "1"}', ': row 1: loss: "1": write a number'),
        ('{"item": "x", "accuracy": true}', ": row 1: accuracy: true: write a number"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_row(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        read_item_lines(file, METRICS)
    assert str(caught.value).startswith(f"{file}{said}") and "\n" not in str(caught.value)
