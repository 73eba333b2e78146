"""Conversations in both usual forms become rows, and one that is none is named with the reason."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.corpus.alpaca import read_alpaca
from noiseband.corpus.chats import KEYS, ROLES
from noiseband.corpus.instructions import build_instructions
from noiseband.corpus.row_faults import fault
from noiseband.errors import UserError
from noiseband.finetune.rows import Turn, read_rows
from noiseband.study.instructions import FileRows

SPOKEN = [("system", "Be brief."), ("user", "Hello?"), ("assistant", "Hello!"),
          ("user", "Add 1 and 2"), ("assistant", "3")]  # fmt: skip
MESSAGES = {"messages": [{"role": role, "content": text} for role, text in SPOKEN], "id": 7}
NAMES = {"system": "system", "user": "human", "assistant": "gpt"}
SHAREGPT = {"conversations": [{"from": NAMES[role], "value": text} for role, text in SPOKEN]}
PARTS = {
    "messages": [{"role": r, "content": [{"type": "text", "text": text}]} for r, text in SPOKEN]
}
ROW = {
    "instruction": "Add 1 and 2",
    "input": "",
    "output": "3",
    "turns": [{"role": role, "text": text} for role, text in SPOKEN[:3]],
}
SHORT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}


def read(folder: Path, *rows: Any, drop: bool = False) -> list[dict[str, Any]]:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_alpaca(file, "key", None, "drop" if drop else "error")


def test_both_forms_are_the_same_rows(tmp_path: Path) -> None:
    assert read(tmp_path, MESSAGES, SHAREGPT, PARTS) == [ROW, ROW, ROW]
    # A conversation of one turn is a row like any other, so old and new sets give the same bytes.
    alpaca = {"instruction": "Hi", "output": "Ho", "messages": [], "turns": "theirs"}
    row = {"instruction": "Hi", "input": "", "output": "Ho"}
    assert read(tmp_path, SHORT, alpaca) == [row, row]


@pytest.mark.parametrize("packed", ["parquet", "gz", "zst", "json"])
def test_rows_come_in_every_format(tmp_path: Path, packed: str) -> None:
    rows = [MESSAGES, SHORT] * 5
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    parquet = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    content = {
        "parquet": parquet.getvalue(),
        "gz": gzip.compress(lines),
        "zst": pa.compress(lines, codec="zstd", asbytes=True),
        "json": json.dumps(rows).encode(),
    }[packed]
    file = tmp_path / f"chat.{packed}"
    file.write_bytes(content)
    config = FileRows(kind="file", path=str(file), train=0.5, test=0.3)
    build_instructions(config, tmp_path / "out")
    rows_read = read_rows(tmp_path / "out/rows.jsonl")
    assert len(rows_read) == 10
    first, second = rows_read[:2]
    assert (first.instruction, first.output, second.turns) == ("Add 1 and 2", "3", ())
    assert first.turns == tuple(Turn(role, text) for role, text in SPOKEN[:3])
    assert (first.system, first.exchanges) == ("Be brief.", [("Hello?", "Hello!")])
    assert first.material == "System: Be brief.\n\nUser: Hello?\n\nAssistant: Hello!"
    assert (second.system, second.exchanges, second.material) == (None, [], "")


def test_a_null_in_parquet_is_a_key_that_is_missing(tmp_path: Path) -> None:
    rows = [{"instruction": "a", "input": None, "output": "b"}]
    pq.write_table(pa.Table.from_pylist([*rows, {**rows[0], "output": None}]), tmp_path / "a")
    with pytest.raises(UserError, match="row 2: output is missing"):
        read_alpaca(tmp_path / "a", "key", None, "error")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a")
    assert read_alpaca(tmp_path / "a", "key", None, "error") == [{**rows[0], "input": ""}]


def turns(*given: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in given]}


U, A = ("user", "a"), ("assistant", "b")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (turns(), "messages is not a list of turns"),
        ({"conversations": "text"}, "conversations is not a list of turns"),
        (turns(A), "messages: turn 1 is the assistant's, not the user's"),
        (turns(U, U, A), "messages: turn 2 is the user's, not the assistant's"),
        (turns(U, A, ("system", "x"), A), "messages: turn 3 is the system's, not the user's"),
        (turns(("system", "x")), "messages has no turn of the user"),
        (turns(("tool", "x"), U, A), "messages: turn 1: role 'tool' is not system, user or"),
        ({"messages": [{"content": "x"}]}, "messages: turn 1 has no role"),
        ({"messages": ["x"]}, "messages: turn 1 has no role"),
        (turns(("user", None), A), "messages: turn 1 has no text"),
        (turns(("user", [{"type": "image"}]), A), "messages: turn 1 has no text"),
        (turns(("user", " "), A), "messages: turn 1 is empty"),
        (turns(U, ("assistant", ""), U, A), "messages: turn 2 is empty"),
        (turns(("user", "\ud800"), A), "messages: turn 1 has half a surrogate pair"),
        (turns(U), "output is empty"),
        (turns(U, A, U), "output is empty"),
        (turns(U, ("assistant", " ")), "output is empty"),
        ({"prompt": "a", "completion": "b"},
         'has neither instruction and output nor messages nor conversations, but ["prompt", '),
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_named(tmp_path: Path, row: Any, reason: str) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, MESSAGES, row)
    assert f": row 2: {reason}" in str(error.value)
    if reason == "output is empty":
        assert read(tmp_path, MESSAGES, row, drop=True) == [ROW]


@pytest.mark.parametrize(
    "given",
    [None, 5, "user", [5], [{"role": "user"}], [{"role": "user", "text": "a"}],
     [{"role": "gpt", "text": "a"}], [*ROW["turns"], {"role": "system", "text": "a"}],
     [{"role": "system", "text": "a", "more": 1}]],
)  # fmt: skip
def test_turns_of_a_row_that_are_none_are_a_fault(given: Any) -> None:
    assert fault(ROW) is None
    assert fault({**ROW, "turns": given}) is not None


LEAVES = st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(list(ROLES))
TURN = st.dictionaries(st.sampled_from(["role", "from", "content", "value", "text"]), LEAVES)
ANY = st.dictionaries(st.sampled_from(KEYS), st.lists(TURN | LEAVES, max_size=4) | LEAVES)


@given(st.lists(ANY, max_size=3))
def test_any_conversation_is_a_row_or_told(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    try:
        found = read(tmp_path_factory.getbasetemp(), *rows)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert all(fault(row) is None for row in found)
