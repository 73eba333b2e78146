"""Texts of files in each format, and errors about files without texts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noiseband.corpus.texts import count_texts, read_texts
from noiseband.errors import UserError

TEXTS = ["one\nline", "", "<|endoftext|>", "Größe \u2028 \U0001f600", "two\n\n"]


def written(path: Path, texts: list[str], column: str = "text") -> Path:
    rows = "".join(json.dumps({"id": 1, column: text}) + "\n" for text in texts)
    if path.suffix == ".parquet":
        table = pa.table({"id": [1] * len(texts), column: texts})
        pq.write_table(table, path, row_group_size=2)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(rows.encode()))
    else:
        path.write_text(rows)
    return path


def refused(path: Path, column: str = "text") -> str:
    with pytest.raises(UserError) as error:
        list(read_texts(path, column))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.json.gz"])
def test_rows_are_texts(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, TEXTS, "content")
    assert list(read_texts(path, "content")) == [(text, False) for text in TEXTS]
    assert count_texts(path) == len(TEXTS)
    assert "text" in refused(path)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.binary()])
def test_columns_of_text_come_in_several_kinds(tmp_path: Path, kind: pa.DataType) -> None:
    values = [text.encode() for text in TEXTS] if kind == pa.binary() else TEXTS
    pq.write_table(pa.table({"text": pa.array(values, kind)}), tmp_path / "a.parquet")
    assert [text for text, _ in read_texts(tmp_path / "a.parquet", "text")] == TEXTS


def test_a_text_file_is_one_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"all\r\nof it\n")
    assert list(read_texts(path, "text")) == [("all\r\nof it\n", False)]
    assert count_texts(path) == 1


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n\n  \n{"text": "b"}')
    assert list(read_texts(path, "text")) == [("a", False), ("b", False)]
    assert count_texts(path) == 2


def test_what_is_no_utf8_is_mended_alike_in_every_format(tmp_path: Path) -> None:
    bad = b"caf\xe9 \xff"
    array = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, len(bad)], pa.int32()).buffers()[1], pa.py_buffer(bad)]
    )
    pq.write_table(pa.table({"text": array}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_bytes(
        b'{"text": "' + bad + b'"}\n{"text": "\\ud83d!"}\n{"text": "\\ud83d\\ude00"}'
    )
    (tmp_path / "a.txt").write_bytes(bad)
    mended = ("caf\ufffd \ufffd", True)
    for name in ("a.parquet", "a.txt"):
        assert list(read_texts(tmp_path / name, "text")) == [mended]
    found = list(read_texts(tmp_path / "a.jsonl", "text"))
    assert found == [mended, ("\ufffd!", True), ("\U0001f600", False)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"PAR1 and no more", "not a Parquet file"),
        ("a.jsonl", b'{"text": "a"}\n{"text": ', "row 2: not JSON"),
        ("a.jsonl", b'{"text": "a"}\n["b"]', "row 2: no object with a text text"),
        ("a.jsonl", b'{"text": null}', "row 1: no object with a text text"),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"text": "a"}\n' * 9, mtime=0)[:-9],
            "not a complete gzip file",
        ),
        ("a.json.gz", b'{"text": "a"}', "not a complete gzip file"),
    ],
)
def test_files_that_hold_something_else(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    message = refused(tmp_path / name)
    assert message.startswith(f"{tmp_path / name}: ")
    assert said in message


@pytest.mark.parametrize(
    ("values", "said"),
    [(["a", None], "row 2: text is null"), ([1, 2], "column text cannot be read as text")],
)
def test_columns_that_hold_something_else(tmp_path: Path, values: object, said: str) -> None:
    pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet")
    assert said in refused(tmp_path / "a.parquet")


def test_a_parquet_file_that_was_cut_short_in_the_middle(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", [str(i) * 100 for i in range(1000)])
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(200) + whole[300:])
    assert "cannot be read" in refused(path)
