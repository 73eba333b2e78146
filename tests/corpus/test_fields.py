"""Fields of documents, from a source's rows into the splits, and out of these."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from noiseband.corpus.build import build_corpus
from noiseband.corpus.documents import SPLITS, read_documents
from noiseband.corpus.fields import read_field
from noiseband.errors import UserError
from noiseband.io.files import read_json
from noiseband.study.corpora import Documents

LANGUAGES = ("python", "go", "c")


def documents(folder: Path, order: Literal["hashed", "as-read"], fields: list[str]) -> Documents:
    rows = [
        {"text": f"text {n}", "language": LANGUAGES[n % 3], "n": n} for n in range(40)
    ]  # fmt: skip
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts/a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"path": str(folder / "texts"), "files": ["*.jsonl"]}
    return Documents.model_validate(
        {"sources": [source], "order": order, "test": 0.25, "validation": 0.25, "fields": fields}
    )


@pytest.mark.parametrize("order", ["hashed", "as-read"])
def test_they_follow_their_documents(tmp_path: Path, order: Any) -> None:
    build_corpus(documents(tmp_path, order, ["n", "language"]), tmp_path / "with")
    build_corpus(documents(tmp_path, order, []), tmp_path / "without")
    for split in SPLITS:
        file = tmp_path / f"with/{split}.jsonl"
        found = list(read_documents(file))
        assert found == list(read_documents(tmp_path / f"without/{split}.jsonl"))
        whole = range(len(found))
        numbers = [one.text.removeprefix("text ") for one in found]
        assert read_field(file, "n", whole) == numbers
        assert read_field(file, "language", whole) == [LANGUAGES[int(n) % 3] for n in numbers]
        assert read_field(file, "n", range(2, 5)) == numbers[2:5]
    assert read_json(tmp_path / "with/card.json").pop("fields") == ["n", "language"]
    assert "fields" not in read_json(tmp_path / "without/card.json")
    row = json.loads((tmp_path / "without/test.jsonl").read_text().splitlines()[0])
    assert row.keys() == {"id", "text"}


def test_what_a_split_does_not_have_is_named(tmp_path: Path) -> None:
    build_corpus(documents(tmp_path, "hashed", ["n"]), tmp_path / "out")
    file = tmp_path / "out/test.jsonl"
    with pytest.raises(UserError, match=r"test.jsonl: line 4: no field language; correct it or"):
        read_field(file, "language", range(3, 5))
    with pytest.raises(UserError, match=r"test.jsonl: has no line 11, but the tokens have such a"):
        read_field(file, "n", range(8, 12))
