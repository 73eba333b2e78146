"""Fields of documents, from a source's rows to the documents of a split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noiseband.corpus.build import build_corpus
from noiseband.corpus.documents import SPLITS, read_documents
from noiseband.corpus.fields import read_field, write_fields
from noiseband.errors import UserError
from noiseband.study.corpora import Documents

LANGUAGES = ("python", "go", "c")


def row(number: int) -> dict[str, Any]:
    meta = {"year": 2000 + number, "note": None}
    return {"text": f"text {number}", "language": LANGUAGES[number % 3], "meta": meta, "a.b": "x"}


def documents(folder: Path, order: Literal["hashed", "as-read"] = "hashed") -> Documents:
    """Forty documents, in files of both kinds, with a blank line and a text that is there twice."""
    (folder / "texts").mkdir(exist_ok=True)
    lines = [json.dumps(row(number)) for number in [*range(20), 3]]
    (folder / "texts/a.jsonl").write_text("\n\n".join(lines))
    more = [row(number) for number in range(20, 40)]
    pq.write_table(pa.Table.from_pylist(more), folder / "texts/b.parquet")
    files = [{"path": str(folder / "texts"), "files": [name]} for name in ("*.jsonl", "*.parquet")]
    return Documents.model_validate(
        {"sources": files, "order": order, "test": 0.25, "validation": 0.25}
    )


@pytest.fixture
def split(tmp_path: Path) -> Path:
    build_corpus(documents(tmp_path), tmp_path / "out")
    return tmp_path / "out/test.jsonl"


@pytest.mark.parametrize("order", ["hashed", "as-read"])
def test_they_follow_their_documents(tmp_path: Path, order: Any) -> None:
    config, out = documents(tmp_path, order), tmp_path / "fields.parquet"
    build_corpus(config, tmp_path / "out")
    for name in SPLITS:
        file = tmp_path / f"out/{name}.jsonl"
        write_fields(config.sources, ["meta.year", "language", "a.b"], file, out)
        numbers = [int(one.text.removeprefix("text ")) for one in read_documents(file)]
        whole = range(len(numbers))
        assert read_field(out, "meta.year", whole) == [str(2000 + n) for n in numbers]
        assert read_field(out, "language", whole) == [LANGUAGES[n % 3] for n in numbers]
        assert set(read_field(out, "a.b", whole)) == {"x"}
        assert read_field(out, "language", range(2, 5)) == [LANGUAGES[n % 3] for n in numbers[2:5]]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("lang", r"a.jsonl: row \d+: lang: missing; add it, or leave `by` out"),
        ("meta.note", r"a.jsonl: row \d+: meta.note: missing"),
        ("text.x", r"a.jsonl: row \d+: text.x: missing"),
        ("meta", r'row \d+: meta: {"year": .* is neither a text nor a whole number; correct it'),
    ],
)
def test_a_document_without_the_field_is_named(
    tmp_path: Path, split: Path, field: str, said: str
) -> None:
    with pytest.raises(UserError, match=said) as error:
        write_fields(documents(tmp_path).sources, [field], split, tmp_path / "x.parquet")
    assert "\n" not in str(error.value) and not (tmp_path / "x.parquet").exists()


def test_a_row_is_named_by_its_line(tmp_path: Path, split: Path) -> None:
    """Only the rows of the split need the field."""
    (first, *_) = (one for one in read_documents(split) if one.id.startswith("0/a.jsonl"))
    number = int(first.id.rpartition("/")[2])
    sources, file = documents(tmp_path).sources, tmp_path / "texts/a.jsonl"
    ids = {one.id for one in read_documents(split)}
    lines = file.read_text().split("\n\n")
    others = [n for n in range(len(lines)) if f"0/a.jsonl/{n}" not in ids]
    for place in others:
        lines[place] = json.dumps({"text": json.loads(lines[place])["text"]})
    file.write_text("\n\n".join(lines))
    write_fields(sources, ["language"], split, tmp_path / "x.parquet")
    for value, shown in ((True, "true"), (1.5, "1.5"), (["x"], '["x"]')):
        lines[number] = json.dumps({**row(number), "language": value})
        file.write_text("\n\n".join(lines))
        with pytest.raises(UserError) as error:
            write_fields(sources, ["language"], split, tmp_path / "x.parquet")
        assert str(error.value).startswith(
            f"{file}: row {2 * number + 1}: language: {shown} is neither a text nor a whole number"
        )


def test_columns_of_parquet_that_are_not_there_or_no_texts(tmp_path: Path, split: Path) -> None:
    sources = documents(tmp_path).sources
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, 1], pa.int32()).buffers()[1], pa.py_buffer(b"\xff")]
    )
    file = tmp_path / "texts/b.parquet"
    for column, said in (
        ("other", "no column language; it has text, other"),
        ("language", "after row 0: language cannot be read"),
    ):
        pq.write_table(pa.table({"text": ["a"], column: bad}), file)
        with pytest.raises(UserError) as error:
            write_fields(sources[1:], ["language"], split, tmp_path / "x.parquet")
        assert str(error.value).startswith(f"{file}: {said}")


def test_splits_that_are_of_other_sources_or_tokens(tmp_path: Path, split: Path) -> None:
    sources, out = documents(tmp_path).sources, tmp_path / "x.parquet"
    with pytest.raises(UserError, match=r"test.jsonl: 0/a.jsonl/\d+ is in no source; build the"):
        write_fields(sources[1:], ["language"], split, out)
    write_fields(sources, ["language"], split, out)
    with pytest.raises(UserError, match=r"x.parquet: has 10 documents, and the tokens have more;"):
        read_field(out, "language", range(8, 12))
