"""Files of items: both forms, and one line for each kind of bad row."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.evaluate.items import Item, read_items


def written(folder: Path, text: str) -> Path:
    file = folder / "items.jsonl"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return file


def test_both_forms_are_read(tmp_path: Path) -> None:
    choices = (
        '{"question": "q", "choices": ["a", "b\u2028"], "answer": 1, "id": "x", "more": 3}\n\n'
    )
    assert read_items(written(tmp_path, choices)) == [Item("x", 1, "q", ("a", "b\u2028"), 1)]
    words = '{"context": "", "target": "a"}\n{"context": "so", "target": "b", "id": 7}'
    assert read_items(written(tmp_path, words)) == [
        Item("1", 1, "", ("a",), 0),
        Item("7", 2, "so", ("b",), 0),
    ]


GOOD = '{"context": "c", "choices": ["a", "b"], "answer": 0, "id": "1"}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no rows; write one JSON object in each line"),
        (GOOD + "{", "row 2: not JSON (Expecting property name"),
        ("3", "row 1: 3 is not an object of keys"),
        ('{"choices": ["a", "b"], "answer": 0}', "row 1: context: missing; give either context or"),
        ('{"context": "c", "question": "q", "target": "t"}', "row 1: context: both are there"),
        ('{"context": 3, "target": "t"}', "row 1: context: 3 is not a text; put it in quotes"),
        ('{"context": "c"}', "row 1: choices: missing; give either choices with an answer, or a"),
        ('{"context": "c", "choices": ["a", "b"], "target": "t"}', "row 1: choices: both are"),
        ('{"context": "c", "target": " "}', "row 1: target: is empty; write its text"),
        ('{"context": "\\ud800", "target": "a"}', "row 1: context: has half a surrogate pair"),
        ('{"context": "c", "choices": ["a"], "answer": 0}', 'row 1: choices: ["a"] is not a list'),
        ('{"context": "c", "choices": ["a", 2], "answer": 0}', "row 1: choices.1: 2 is not a text"),
        ('{"context": "c", "choices": ["a", "b"]}', "row 1: answer: null is not the place"),
        (
            '{"context": "c", "choices": ["a", "b"], "answer": 2}',
            "row 1: answer: 2 is not the place of a choice; write a number from 0 to 1",
        ),
        ('{"context": "c", "choices": ["a", "b"], "answer": true}', "row 1: answer: true is not"),
        ('{"context": "c", "target": "t", "id": 1.5}', "row 1: id: 1.5 is neither a text nor"),
        (GOOD + GOOD, "row 2: id: 1 is that of row 1 too; change one"),
        (
            GOOD + '{"context": "c", "target": "t"}',
            "row 2: target: row 1 has choices; give each kind of item a file of its own",
        ),
    ],
)
def test_a_bad_row_is_one_line_with_its_remedy(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_items(file)
    assert str(caught.value).startswith(f"{file}: {said}")
    assert "\n" not in str(caught.value)
