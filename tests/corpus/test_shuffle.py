"""A reading that was interrupted gives the same documents when it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseband.corpus import shuffle
from noiseband.corpus.documents import Document
from noiseband.corpus.reading import Reading
from noiseband.corpus.shuffle import Shuffled
from tests.corpus.conftest import Listed, reading_of


class Cut(Listed):
    """A source that ends the program after some documents."""

    def __init__(self, documents: list[Document], after: int) -> None:
        super().__init__(documents)
        self.cut = after

    def after(self, state: dict[str, Any] | None) -> Iterator[Document]:
        for document in super().after(state):
            if self.read > self.cut:
                raise KeyboardInterrupt
            yield document


def documents(count: int, source: int) -> list[Document]:
    return [Document(f"{source}/{n}", f"text {n % 37}") for n in range(count)]


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=3),
    stops=st.lists(st.integers(0, 60), min_size=1, max_size=3),
    every=st.integers(1, 25),
)
@settings(max_examples=40, deadline=None)
def test_an_interrupted_reading_gives_the_same_documents(
    sizes: list[int], stops: list[int], every: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("order") / "documents"
    given = [documents(size, place) for place, size in enumerate(sizes)]
    whole = Shuffled(reading_of(*given), folder.parent / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffle, "SAVED_EVERY", every)
        for number, stop in enumerate(stops):
            sources = [Listed(one) for one in given]
            sources[number % len(given)] = Cut(given[number % len(given)], stop)
            try:
                Shuffled(Reading(sources), folder, "same")
            except KeyboardInterrupt:
                continue
        resumed = Shuffled(reading_of(*given), folder, "same")
    assert list(resumed) == list(whole)
    assert (resumed.count, resumed.duplicates) == (whole.count, whole.duplicates)


def test_documents_before_the_interruption_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shuffle, "SAVED_EVERY", 10)
    folder, given = tmp_path / "documents", documents(100, 0)
    with pytest.raises(KeyboardInterrupt):
        Shuffled(Reading([Cut(given, 47)]), folder, "same")

    class Seen(Listed):
        def after(self, state: dict[str, Any] | None) -> Iterator[Document]:
            assert state == {"read": 40}
            return super().after(state)

    assert Shuffled(Reading([Seen(given)]), folder, "same").count == 37


@pytest.mark.parametrize("identity", ["other", ""])
def test_another_reading_begins_again(
    identity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shuffle, "SAVED_EVERY", 10)
    folder = tmp_path / "documents"
    with pytest.raises(KeyboardInterrupt):
        Shuffled(Reading([Cut(documents(30, 0), 25)]), folder, "same" if identity else "")
    other = documents(12, 1)
    again = Shuffled(reading_of(other), folder, identity)
    assert sorted(one.id for one in again) == sorted(one.id for one in other)


@pytest.mark.parametrize("damage", ["00", "texts", "journal.json"])
def test_a_damaged_leftover_begins_again(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shuffle, "SAVED_EVERY", 10)
    folder, given = tmp_path / "documents", documents(400, 0)
    with pytest.raises(KeyboardInterrupt):
        Shuffled(Reading([Cut(given, 395)]), folder, "same")
    (folder / damage).write_bytes(b"")
    resumed = Shuffled(reading_of(given), folder, "same")
    assert list(resumed) == list(Shuffled(reading_of(given), tmp_path / "whole"))
