from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.corpus.documents import (
    Document,
    digest,
    parse_document,
    read_documents,
    valid_text,
)
from noiseband.errors import UserError
from noiseband.io.files import write_jsonl


def test_digest_is_the_documented_form() -> None:
    documents = [Document("a/1", "é\n"), Document("a/2", "")]
    assert digest(documents) == hashlib.sha256(b"a/1\0\xc3\xa9\n\0a/2\0\0").hexdigest()


def test_digest_sees_order_and_boundaries() -> None:
    one, two = Document("1", "a"), Document("2", "b")
    assert digest([one, two]) != digest([two, one])
    assert digest([Document("1", "ab")]) != digest([Document("1a", "b")])


def test_documents_survive_a_file(tmp_path: Path) -> None:
    # U+2028 ends a line for str.splitlines, but not in JSON.
    documents = [Document("a", "one\ntwo\u2028three"), Document("b", "\r\n\0")]
    write_jsonl(tmp_path / "x.jsonl", ({"id": d.id, "text": d.text} for d in documents))
    assert list(read_documents(tmp_path / "x.jsonl")) == documents


def test_other_keys_and_line_ends_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"url": 1, "text": "b", "id": "a"}\r\n{"id":"","text":""}')
    assert list(read_documents(tmp_path / "x.jsonl")) == [Document("a", "b"), Document("", "")]


def test_what_is_not_utf8_becomes_the_replacement_character() -> None:
    assert parse_document(b'{"id": "a", "text": "\xc3\xa9"}') == Document("a", "é")
    assert parse_document(b'{"id": "a", "text": "\xff"}') == Document("a", "\ufffd", repaired=True)
    # A pair of surrogates is one character, but half a pair is not a character.
    assert parse_document(rb'{"id": "a", "text": "\ud83d\ude00"}') == Document("a", "😀")
    torn = parse_document(rb'{"id": "a", "text": "x\ud83dy"}')
    assert torn == Document("a", "x\ufffdy", repaired=True)


def test_a_line_that_is_no_document_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": "a", "text": "b"}\n{"id": "a", "text": 3}\n')
    with pytest.raises(UserError, match=r'x\.jsonl: line 2: not \{"id"'):
        list(read_documents(tmp_path / "x.jsonl"))


@given(st.binary(max_size=30))
def test_raw_bytes_become_text_that_utf8_can_write(raw: bytes) -> None:
    text, repaired = valid_text(raw)
    assert (text.encode() != raw) == repaired
    assert valid_text(text) == (text, False)
