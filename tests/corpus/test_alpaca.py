"""Rows in Alpaca's format: both kinds of file, and bad rows reported by number and reason."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.corpus.alpaca import read_alpaca
from noiseband.corpus.row_faults import fault
from noiseband.errors import UserError

ROWS: list[dict[str, Any]] = [
    {"instruction": "Add", "input": "1, 2", "output": "3", "text": "left out"},
    {"instruction": "Greet", "output": "Hello\u2028there"},
    {"instruction": "Spell", "input": "", "output": "\N{GREEK SMALL LETTER PI}"},
]
READ = [
    {"instruction": "Add", "input": "1, 2", "output": "3"},
    {"instruction": "Greet", "input": "", "output": "Hello\u2028there"},
    {"instruction": "Spell", "input": "", "output": "\N{GREEK SMALL LETTER PI}"},
]


def as_list(rows: list[Any]) -> str:
    return json.dumps(rows, indent=4)


def as_lines(rows: list[Any]) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"


def read(
    folder: Path,
    text: str | bytes,
    sha256: str | None = None,
    without_answer: Literal["error", "drop"] = "error",
) -> list[dict[str, str]]:
    file = folder / "rows.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_alpaca(file, "instructions.path", sha256, without_answer)


def complaint(folder: Path, text: str | bytes, sha256: str | None = None) -> str:
    with pytest.raises(UserError) as error:
        read(folder, text, sha256)
    message = str(error.value)
    assert "\n" not in message
    return message.removeprefix(f"instructions.path: {folder / 'rows.json'}: ")


@pytest.mark.parametrize("written", [as_list, as_lines])
def test_a_list_and_lines_are_the_same_rows(tmp_path: Path, written: Any) -> None:
    assert read(tmp_path, written(ROWS)) == READ
    assert read(tmp_path, b"\xef\xbb\xbf" + written(ROWS).encode()) == READ  # as saved on Windows


def test_blank_lines_are_no_rows_but_count_as_lines(tmp_path: Path) -> None:
    first, second = as_lines(ROWS[:1]), as_lines(ROWS[1:])
    assert read(tmp_path, f"{first}\n\n{second}\n") == READ
    assert "row 3: instruction is missing" in complaint(tmp_path, f'{first}\n{{"output": "a"}}')


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Ask", 'row 2: not a JSON object but "Ask"'),
        ({"output": "a"}, "row 2: instruction is missing"),
        ({"instruction": "a"}, "row 2: output is missing"),
        ({"instruction": 3, "output": "a"}, "row 2: instruction is 3, not text"),
        ({"instruction": " \n", "output": "a"}, "row 2: instruction is empty"),
        ({"instruction": "a", "input": None, "output": "a"}, "row 2: input is null, not text"),
        ({"instruction": "a", "output": ["b"]}, 'row 2: output is ["b"], not text'),
        ({"instruction": "a", "output": " "}, "row 2: output is empty"),
        ({"instruction": "a", "output": "\ud800"}, "row 2: output has half a surrogate pair"),
    ],
)
def test_a_bad_row_is_named_by_number_and_reason(tmp_path: Path, row: Any, reason: str) -> None:
    found = complaint(tmp_path, as_list([ROWS[0], row, ROWS[1]]))
    assert found.startswith(reason)
    assert "; correct or remove it" in found


def test_a_line_that_is_no_json_is_a_bad_row(tmp_path: Path) -> None:
    found = complaint(tmp_path, as_lines(ROWS[:1]) + "{oops}\n" + as_lines(ROWS[1:]))
    assert found.startswith("row 2: not JSON (Expecting property name")


def test_a_handful_of_bad_rows_come_in_one_message(tmp_path: Path) -> None:
    rows = [ROWS[0], *({"instruction": "a", "output": k} for k in range(7)), ROWS[1]]
    assert complaint(tmp_path, as_list(rows)) == (
        "row 2: output is 0, not text; row 3: output is 1, not text; row 4: output is 2, not text; "
        "row 5: output is 3, not text; row 6: output is 4, not text; and 2 more; "
        "correct or remove them"
    )


def test_rows_without_an_answer_are_a_mistake_or_left_out(tmp_path: Path) -> None:
    text = as_list([ROWS[0], {"instruction": "a", "output": ""}, *ROWS[1:]])
    assert complaint(tmp_path, text) == (
        "row 2: output is empty; correct or remove it, or drop rows without an answer with "
        "`without_answer: drop`"
    )
    assert read(tmp_path, text, without_answer="drop") == READ
    # Other faults of such a row are still errors.
    with pytest.raises(UserError, match="row 1: instruction is empty"):
        read(tmp_path, as_list([{"instruction": "", "output": ""}]), without_answer="drop")


def test_the_digest_is_checked_when_given(tmp_path: Path) -> None:
    digest = hashlib.sha256(as_list(ROWS).encode()).hexdigest()
    assert read(tmp_path, as_list(ROWS), sha256=digest) == READ
    with pytest.raises(UserError, match=rf"SHA-256 [0-9a-f]{{64}}, but sha256 is {digest}; get"):
        read(tmp_path, as_list(ROWS) + " ", sha256=digest)


def test_what_is_no_file_of_rows(tmp_path: Path) -> None:
    assert complaint(tmp_path, '[{"instruction": ').startswith("not JSON (Expecting value: line 1")
    assert complaint(tmp_path, b'[{"instruction": "\xff"}]').startswith("byte 18 is not UTF-8")
    with pytest.raises(UserError, match=r"cannot read .*none\.json \(No such file"):
        read_alpaca(tmp_path / "none.json", "instructions.path", None, "error")


TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@given(st.lists(st.fixed_dictionaries({"instruction": TEXT, "input": st.text(), "output": TEXT})))
def test_good_rows_come_back_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    good = [row for row in rows if fault(row) is None]
    folder = tmp_path_factory.getbasetemp()
    assert read(folder, as_list(good)) == good
    assert read(folder, as_lines(good)) == good


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    LEAVES,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=8), one),
    max_leaves=8,
)
FIELD = st.sampled_from(["instruction", "input", "output"])
ROWS_OR_NOT = st.dictionaries(FIELD, JSON | st.text(st.characters(codec=None))) | JSON


@given(st.lists(ROWS_OR_NOT, max_size=4), st.booleans(), st.sampled_from(["error", "drop"]))
def test_any_json_is_rows_or_told(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[Any],
    lines: bool,
    without_answer: Literal["error", "drop"],
) -> None:
    text = "\n".join(map(json.dumps, values)) if lines else json.dumps(values)
    bad = [value for value in values if fault(value) not in (None, "output is empty")]
    try:
        rows = read(tmp_path_factory.getbasetemp(), text, without_answer=without_answer)
    except UserError as error:
        assert bad or without_answer == "error"
        assert "\n" not in str(error)
    else:
        # If the only line of a file is a list, it is read as a list of rows.
        assert not bad or lines
        assert all(row["instruction"].strip() and row["output"].strip() for row in rows)
        assert [list(row) for row in rows] == [["instruction", "input", "output"]] * len(rows)


@given(st.binary(max_size=60) | st.text('[]{},:"ai\\u0d8 \n', max_size=40).map(str.encode))
def test_any_bytes_are_rows_or_told(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    try:
        read(tmp_path_factory.getbasetemp(), content)
    except UserError as error:
        assert "\n" not in str(error)


NESTED = "[" * 100_000
DEEP = "[" * 400 + "]" * 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NESTED, "JSON nested too deeply; correct it"),
        (f'{{"instruction": {NESTED}', "row 1: JSON nested too deeply; correct or remove it"),
        (f'{{"instruction": {DEEP}, "output": "a"}}', "row 1: instruction is [["),
        (f'[{{"instruction": "a", "output": {"9" * 5000}}}]', "not JSON (Exceeds the limit"),
        ('{"instruction": "a", "output": 1e999}', "row 1: output is Infinity, not text"),
    ],
    ids=["a list", "a line", "a value", "digits", "infinity"],
)
def test_what_is_nested_or_long_is_told(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, text).startswith(said)
