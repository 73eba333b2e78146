"""Readers are found by name: those of this package by a short one, others by a dotted one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noiseband.corpus.embedded.readers import asv
from noiseband.corpus.readers import find_reader
from noiseband.errors import UserError
from noiseband.study import StudyError, parse_study

THEIRS = """
from noiseband.corpus.documents import Document
from noiseband.corpus.readers import Reader

READER = Reader(lambda files: (Document(name, "text") for name in files), "public domain")
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of somebody else's with a reader in it."""
    package = tmp_path / "their_texts"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "reader.py").write_text(THEIRS)
    (package / "empty.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.startswith("their_texts")]:
        del sys.modules[name]


def with_reader(data: dict[str, Any], name: str) -> dict[str, Any]:
    data["corpora"]["text"]["sources"][0]["reader"] = name
    return data


def test_a_short_name_is_a_reader_of_this_package() -> None:
    assert find_reader("asv") is asv.READER


def test_a_dotted_name_is_a_reader_of_any_package(theirs: Path, study_data: dict[str, Any]) -> None:
    assert parse_study(with_reader(study_data, "their_texts.reader"))
    (document,) = find_reader("their_texts.reader").read({"a.txt": theirs})
    assert (document.id, document.text) == ("a.txt", "text")


@pytest.mark.parametrize(
    "name", ["asw", "their_texts.reader", "no.such.module", "../../etc/passwd"]
)
def test_a_reader_that_is_not_there_is_a_mistake_in_the_config(
    study_data: dict[str, Any], name: str
) -> None:
    with pytest.raises(StudyError, match=r"sources\.0\.reader.*no such reader") as found:
        parse_study(with_reader(study_data, name))
    assert "asv" in str(found.value)


@pytest.mark.usefixtures("theirs")
def test_a_module_without_a_reader_is_named() -> None:
    with pytest.raises(UserError, match=r"their_texts\.empty: the module has no READER"):
        find_reader("their_texts.empty")
