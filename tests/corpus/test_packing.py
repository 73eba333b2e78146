"""Packed sequences: each begins with a document, and every document is where a slow search for the
best fit puts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from noiseband.corpus.origin import Origin, OriginWriter
from noiseband.corpus.packing import pack, packed_rows
from noiseband.corpus.pieces import Piece, document_pieces
from noiseband.corpus.token_file import open_tokens
from noiseband.errors import UserError
from noiseband.io.files import read_json
from noiseband.study.data_params import PackParams

END = 256
lengths = st.lists(st.integers(1, 30), max_size=60)


def documents_of(sizes: list[int]) -> list[Piece]:
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True)) if sizes else []


def slow(documents: list[Piece], row: int, buffer: int) -> list[list[Piece]]:
    """Best fit as it is described, by a search through the whole buffer."""
    documents = [(begin, min(end, begin + row)) for begin, end in documents]
    held, rest, rows = documents[:buffer], documents[buffer:], []
    while held:
        placed: list[Piece] = []
        room = row
        while room and held:
            fitting = [one for one in held if one[1] - one[0] <= room]
            best = max(fitting or [], key=lambda one: (one[1] - one[0], -one[0]), default=None)
            chosen = best or min(held, key=lambda one: (one[1] - one[0], one[0]))
            held.remove(chosen)
            begin, end = chosen[0], min(chosen[1], chosen[0] + room)
            placed.append((begin, end))
            room -= end - begin
            held, rest = held + rest[:1], rest[1:]
        if not room:
            rows.append(placed)
    return rows


@given(lengths, st.integers(2, 20), st.integers(1, 12))
def test_the_choice_is_that_of_a_slow_search(sizes: list[int], row: int, buffer: int) -> None:
    documents = documents_of(sizes)
    assert list(packed_rows(documents, row, buffer)) == slow(documents, row, buffer)


@given(lengths, st.integers(2, 20), st.integers(1, 12))
def test_rows_are_full_and_consist_of_documents_from_their_beginning(
    sizes: list[int], row: int, buffer: int
) -> None:
    documents = documents_of(sizes)
    rows = list(packed_rows(documents, row, buffer))
    assert all(sum(end - begin for begin, end in placed) == row for placed in rows)
    placed = [piece for one in rows for piece in one]
    whole = dict(documents)
    assert all(begin in whole and end <= whole[begin] for begin, end in placed)
    assert len({begin for begin, _ in placed}) == len(placed), "a document is in one row at most"
    cropped = [piece for one in rows for piece in one[:-1] if piece[1] != whole[piece[0]]]
    assert not cropped, "only the last document of a row is cropped"


def write(folder: Path, sizes: list[int], last: int = END) -> tuple[Path, np.ndarray]:
    """A split of documents of these lengths, whose tokens are random."""
    tokens = np.random.default_rng(1).integers(0, END, sum(sizes)).astype(np.uint16)
    tokens[np.cumsum(sizes) - 1] = END
    tokens[-1] = last
    path = folder / "train.safetensors"
    save_file({"tokens": tokens}, path)
    return path, tokens


def test_the_card_says_what_is_left_out(tmp_path: Path, vocabulary: Path) -> None:
    """Rows of 9 tokens from documents of 6, 3, 20, 2 and 4 tokens."""
    path, tokens = write(tmp_path, [6, 3, 20, 2, 4])
    out = tmp_path / "packed-8.safetensors"
    pack(PackParams(context=8), path, vocabulary, None, out)
    rows = open_tokens(out).reshape(-1, 9)
    # Nine tokens of the longest; then 6 + 3. The rest, 4 + 2, does not fill a row.
    expected = [tokens[9:18], tokens[:9]]
    np.testing.assert_array_equal(rows, expected)
    assert read_json(out.with_suffix(".json")) == {
        "context": 8,
        "sequences": 2,
        "tokens": 16,
        "documents": 5,
        "left_out": 17,
        "left_out_share": 17 / 35,
    }


def test_the_origin_counts_inputs(tmp_path: Path, vocabulary: Path) -> None:
    """Documents of two corpora in turn; the last token of a row is no input."""
    path, _ = write(tmp_path, [4, 5, 9])
    origin = OriginWriter()
    for corpus, size in ((0, 4), (1, 5), (0, 9)):
        origin.add(corpus, size)
    origin.write(tmp_path / "origin.safetensors")
    out = tmp_path / "packed-8.safetensors"
    params = PackParams(context=8)
    pack(params, path, vocabulary, tmp_path / "origin.safetensors", out)
    found = Origin.read(out.with_suffix(".origin.safetensors"))
    # The document of 9 fits best, alone; then 5 + 4, whose last token is not counted.
    assert found.of(np.arange(16)).tolist() == [0] * 8 + [1] * 5 + [0] * 3
    assert found.before(np.array([0, 8, 13, 16]), 0).tolist() == [0, 8, 8, 11]
    assert found.before(np.array([0, 8, 13, 16]), 1).tolist() == [0, 0, 5, 5]
    # The places in the corpora: the document of 9 comes after that of 4.
    assert found.own(np.arange(16)).tolist() == [*range(4, 12), *range(5), *range(3)]


def test_packing_again_gives_the_same_bytes_with_any_chunks(
    tmp_path: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = np.random.default_rng(2).integers(1, 60, 300).tolist()
    path, _ = write(tmp_path, sizes)
    outs = [tmp_path / "a/packed-16.safetensors", tmp_path / "b/packed-16.safetensors"]
    for out, chunk in zip(outs, (2**20, 17), strict=True):
        monkeypatch.setattr("noiseband.corpus.pieces.CHUNK", chunk)
        monkeypatch.setattr("noiseband.corpus.token_writer.CHUNK", chunk)
        pack(PackParams(context=16), path, vocabulary, None, out)
    names = ("packed-16.safetensors", "packed-16.json", "packed-16.origin.safetensors")
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_wide_ids_stay_wide(tmp_path: Path, vocabulary: Path) -> None:
    _, tokens = write(tmp_path, [9, 9])
    wide = tokens.astype(np.int32)
    wide[3] = 2**17
    save_file({"tokens": wide}, tmp_path / "wide.safetensors")
    out, params = tmp_path / "packed-8.safetensors", PackParams(context=8)
    pack(params, tmp_path / "wide.safetensors", vocabulary, None, out)
    np.testing.assert_array_equal(open_tokens(out), wide)


def test_tokens_after_the_last_end_of_text_are_a_document(tmp_path: Path, vocabulary: Path) -> None:
    path, tokens = write(tmp_path, [3, 2, 4], last=7)
    assert list(document_pieces(tokens, END)) == [(0, 3), (3, 5), (5, 9)]
    out = tmp_path / "packed-8.safetensors"
    pack(PackParams(context=8), path, vocabulary, None, out)
    assert len(open_tokens(out)) == 9


def test_a_split_that_cannot_be_packed_is_refused(tmp_path: Path, vocabulary: Path) -> None:
    out, params = tmp_path / "packed-8.safetensors", PackParams(context=8)
    path, _ = write(tmp_path, [30], last=5)
    with pytest.raises(UserError, match=r"no end-of-text .id 256.*data.packing to contiguous"):
        pack(params, path, vocabulary, None, out)
    path, _ = write(tmp_path, [4, 4])
    with pytest.raises(UserError, match="has 8 tokens, too few for a packed sequence of 9"):
        pack(params, path, vocabulary, None, out)
    assert not out.exists()


def test_a_document_beyond_the_buffer_is_not_placed_yet() -> None:
    documents = documents_of([3, 4, 6, 5])
    assert next(packed_rows(documents, 9, 2)) == [(3, 7), (0, 3), (13, 15)]
    assert next(packed_rows(documents, 9, 4)) == [(7, 13), (0, 3)]
