from __future__ import annotations

import hashlib
from pathlib import Path

from noiseband.corpus.documents import Document, digest, read_documents
from noiseband.files import write_jsonl


def test_digest_is_the_documented_form() -> None:
    documents = [Document("a/1", "é\n"), Document("a/2", "")]
    assert digest(documents) == hashlib.sha256(b"a/1\0\xc3\xa9\n\0a/2\0\0").hexdigest()


def test_digest_sees_order_and_boundaries() -> None:
    one, two = Document("1", "a"), Document("2", "b")
    assert digest([one, two]) != digest([two, one])
    assert digest([Document("1", "ab")]) != digest([Document("1a", "b")])


def test_documents_survive_a_file(tmp_path: Path) -> None:
    # U+2028 ends a line for str.splitlines, though not for JSON.
    documents = [Document("a", "one\ntwo\u2028three"), Document("b", "\r\n\0")]
    write_jsonl(tmp_path / "x.jsonl", ({"id": d.id, "text": d.text} for d in documents))
    assert list(read_documents(tmp_path / "x.jsonl")) == documents
