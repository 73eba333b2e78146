"""One rule for byte order marks and encodings in every format; damage is one line."""

from __future__ import annotations

import codecs
import gzip
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.corpus.alpaca import read_alpaca
from noiseband.corpus.build import build_corpus
from noiseband.corpus.encodings import is_garbled, lines
from noiseband.corpus.texts import count_texts, read_texts
from noiseband.errors import UserError
from noiseband.hub.pretrained import _tensors as read_pretrained
from noiseband.io.files import read_json
from noiseband.io.tensor_files import TensorFile
from noiseband.io.traces import Row, read_table, write_trace
from noiseband.model.load import load_start
from noiseband.study.corpora import Documents

WORDS = "Größe \u2028 \U0001f600 and more, "
ENCODINGS = {
    "utf-8": b"",
    "utf-8 with a mark": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda content: bytes(pa.compress(content, codec="zstd", asbytes=True)),
}


def encoded(text: str, encoding: str) -> bytes:
    return ENCODINGS[encoding] + text.encode(encoding.split()[0])


def refused(read: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as error:
        read()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_in_any_encoding_with_a_mark_is_read_alike(
    tmp_path: Path, encoding: str, packed: str
) -> None:
    texts = [f"{WORDS} {n}" for n in range(300)]
    pages = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    jsonl, txt = tmp_path / f"a.jsonl{packed}", tmp_path / f"a.txt{packed}"
    jsonl.write_bytes(PACKED[packed](encoded(pages, encoding)))
    txt.write_bytes(PACKED[packed](encoded(WORDS * 9, encoding)))
    assert list(read_texts(jsonl, "text")) == [(text, False) for text in texts]
    assert list(read_texts(txt, "text")) == [(WORDS * 9, False)]
    assert (count_texts(jsonl), count_texts(txt)) == (300, 1)
    rows = [{"instruction": text, "input": "", "output": "yes"} for text in texts]
    for written in (json.dumps(rows, ensure_ascii=False), "\n".join(map(json.dumps, rows))):
        file = tmp_path / "rows"  # compression is found from the content
        file.write_bytes(PACKED[packed](encoded(written, encoding)))
        assert read_alpaca(file, "key", None, "error") == rows


def test_a_mark_where_files_were_joined_is_no_text(tmp_path: Path) -> None:
    one, other = (codecs.BOM_UTF8 + json.dumps({"text": x}).encode() + b"\n" for x in "ab")
    (tmp_path / "a.jsonl").write_bytes(one + other + codecs.BOM_UTF8)
    assert list(read_texts(tmp_path / "a.jsonl", "text")) == [("a", False), ("b", False)]
    # Inside a text it is a character like any other.
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "\ufeffa"}))
    assert list(read_texts(tmp_path / "b.jsonl", "text")) == [("\ufeffa", False)]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_what_has_no_mark_but_looks_wide_is_refused(tmp_path: Path, encoding: str) -> None:
    looks = "looks like UTF-16 or UTF-32 without a byte order mark"
    txt, jsonl, rows = (tmp_path / name for name in ("a.txt", "a.jsonl", "rows.json"))
    txt.write_bytes((WORDS * 20).encode(encoding))
    assert looks in refused(lambda: list(read_texts(txt, "text")))
    jsonl.write_bytes(('{"text": "abc"}\n' * 20).encode(encoding))
    assert looks in refused(lambda: list(read_texts(jsonl, "text")))
    rows.write_bytes('[{"instruction": "a", "output": "b"}]'.encode(encoding))
    said = refused(lambda: read_alpaca(rows, "key", None, "error"))
    assert said.startswith(f"key: {rows}: {looks}")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("我们的研究表明语言模型", "utf-16-le"), ("Привет, это текст ", "cp1251"),
     ("これは日本語の文章です", "shift-jis"), ("\x01\x02 binary \x03\x04\x05\x06", "ascii")],
)  # fmt: skip
def test_a_text_file_that_is_no_text_is_refused(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes((text * 30).encode(encoding))
    assert "mostly control characters" in refused(lambda: list(read_texts(path, "text")))


@pytest.mark.parametrize(
    ("text", "garbled"),
    [("", False), ("\t\n\r\n\f", False), ("\x1b[0m", False), ("h\0i\0", True), ("\ufffd", True),
     ("Größe \u2028 \U0001f600", False), ("caf\ufffd", False), ("\ufeffa", False)],
)  # fmt: skip
def test_what_is_mostly_control_characters(text: str, garbled: bool) -> None:
    assert is_garbled(text) is garbled


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_half_a_wide_character_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(encoded('{"text": "a"}', "utf-16-le")[:-1])
    assert "not complete utf-16" in refused(lambda: list(read_texts(path, "text")))


def test_a_lone_surrogate_in_a_wide_file_is_repaired(tmp_path: Path) -> None:
    content = codecs.BOM_UTF16_LE + "a\ud800b".encode("utf-16-le", "surrogatepass")
    (tmp_path / "a.txt").write_bytes(content)
    assert list(read_texts(tmp_path / "a.txt", "text")) == [("a\ufffdb", True)]


def corpus(folder: Path, texts: Iterable[bytes]) -> list[str]:
    """Build a corpus of these texts, and return what the user is told."""
    told: list[str] = []
    (folder / "mine").mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"mine/{number:03}.jsonl").write_bytes(b'{"text": "' + text + b'"}')
    source = {"path": str(folder / "mine"), "files": ["*.jsonl"]}
    config = Documents.model_validate({"sources": [source], "test": 0.1, "validation": 0.1})
    build_corpus(config, folder / "out", told.append)
    return told


def test_repaired_documents_are_told(tmp_path: Path) -> None:
    good = [f"text {n}".encode() for n in range(28)]
    assert corpus(tmp_path, good) == []
    told = corpus(tmp_path, [*good, b"caf\xe9 au lait", b"\\u0000\\u0000\\u0000a"])
    some = f"corpus out: 1 of 30 documents of {tmp_path / 'mine'}"
    assert told == [
        f"{some} have bytes that are not UTF-8, which became U+FFFD",
        f"{some} are mostly control characters, or bytes that are not UTF-8, such as 029.jsonl/0",
    ]
    assert read_json(tmp_path / "out/card.json")["sources"][0]["not_utf8"] == 1


def test_documents_that_are_no_text_stop_the_corpus(tmp_path: Path) -> None:
    wrong = [b"".join(b"\\u00%02x\\u0000" % c for c in b"text %d" % n) for n in range(4)]
    said = refused(lambda: corpus(tmp_path, [*(b"text %d" % n for n in range(16)), *wrong]))
    assert "4 of 20 documents" in said
    assert "save the files as UTF-8, or correct `column`" in said
    assert not (tmp_path / "out/card.json").exists()


TEXTS = [f"text {n} " * 20 for n in range(200)]
JSONL = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()
ROWS = [{"instruction": text, "input": "", "output": text} for text in TEXTS]


def parquet(path: Path, table: pa.Table, compression: str) -> bytes:
    pq.write_table(table, path, compression=compression, row_group_size=64)
    return path.read_bytes()


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Content with 1 to 20 random bytes in it, or that ends early."""
    found = bytearray(content)
    length = chance.choice([1, 3, 20])
    place = chance.randrange(len(found) - length)
    if chance.random() < 0.3:
        place %= 200  # headers are at the beginning
    found[place : place + length] = chance.randbytes(length)
    return bytes(found[: chance.randrange(len(found))] if chance.random() < 0.2 else found)


READERS: dict[str, Callable[[Path], Any]] = {
    "a.jsonl": lambda path: [*read_texts(path, "text"), count_texts(path)],
    "a.jsonl.gz": lambda path: [*read_texts(path, "text"), count_texts(path)],
    "a.jsonl.zst": lambda path: [*read_texts(path, "text"), count_texts(path)],
    "a.txt.gz": lambda path: [*read_texts(path, "text")],
    "a.parquet": lambda path: [*read_texts(path, "text"), count_texts(path)],
    "b.parquet": lambda path: [*read_texts(path, "text"), count_texts(path)],
    "rows.gz": lambda path: read_alpaca(path, "key", None, "error"),
    "rows.zst": lambda path: read_alpaca(path, "key", None, "error"),
    "rows.parquet": lambda path: read_alpaca(path, "key", None, "error"),
    "trace.parquet": read_table,
    "start.safetensors": load_start,
    "pretrained.safetensors": read_pretrained,
    "tensors.safetensors": lambda path: [
        [*file.chunks(name)] for file in [TensorFile(path)] for name in file.entries
    ],
}
"""A reader of each format, by the name of its file."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The undamaged content of each reader's file."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("good")
    texts, rows = pa.table({"text": TEXTS}), pa.Table.from_pylist(ROWS)
    write_trace(folder / "trace", [Row(n, 1.0, 0.1, 0.2, False, False, n) for n in range(99)])
    save_file({"a": torch.ones(64, 3), "b": torch.ones(5)}, folder / "tensors", {"key": "value"})
    tensors = (folder / "tensors").read_bytes()
    return {
        "a.jsonl": JSONL,
        "a.jsonl.gz": gzip.compress(JSONL),
        "a.jsonl.zst": PACKED[".zst"](JSONL),
        "a.txt.gz": gzip.compress(JSONL),
        "a.parquet": parquet(folder / "a", texts, "zstd"),
        "b.parquet": parquet(folder / "b", texts, "snappy"),
        "rows.gz": gzip.compress(json.dumps(ROWS).encode()),
        "rows.zst": PACKED[".zst"](json.dumps(ROWS).encode()),
        "rows.parquet": parquet(folder / "c", rows, "gzip"),
        "trace.parquet": (folder / "trace").read_bytes(),
        "start.safetensors": tensors,
        "pretrained.safetensors": tensors,
        "tensors.safetensors": tensors,
    }


@pytest.mark.parametrize("name", READERS)
def test_damage_is_one_line_for_every_reader(
    tmp_path: Path, good: dict[str, bytes], name: str
) -> None:
    path, chance, told = tmp_path / name, random.Random(f"damage {name}"), 0
    path.write_bytes(good[name])
    READERS[name](path)
    for _ in range(120):
        path.write_bytes(damaged(good[name], chance))
        try:
            READERS[name](path)  # damage of letters in uncompressed text cannot be seen
        except UserError as error:
            told += 1
            assert "\n" not in str(error)
            assert name in str(error)
    assert told > 10


@given(st.binary(max_size=80), st.sampled_from(["a.txt", "a.jsonl", "a.jsonl.gz", "a.txt.zst"]))
def test_any_bytes_are_texts_or_told(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    for read in (lambda: list(read_texts(path, "text")), lambda: list(lines(path))):
        try:
            read()
        except UserError as error:
            assert "\n" not in str(error)


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    for name in ("a.txt", "a.jsonl.gz", "a.jsonl.zst"):
        with pytest.raises(FileNotFoundError):
            list(read_texts(tmp_path / name, "text"))
