"""Mixtures: their shares hold in every prefix, and every token is one of a corpus, in its order."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from noiseband.corpus.mixture import in_shares, mix_tokens
from noiseband.corpus.origin import Origin, OriginWriter
from noiseband.corpus.token_file import open_tokens
from noiseband.errors import UserError
from noiseband.io.files import read_json
from noiseband.study.corpora import Mixture, SplitTokens
from noiseband.study.data_params import MixParams

END = 256
SPLITS = ("train", "validation", "test")
parts = st.lists(
    st.tuples(st.floats(0.05, 20), st.lists(st.integers(1, 40), min_size=1, max_size=20)),
    min_size=2,
    max_size=4,
)


def pieces_of(sizes: list[int]) -> Any:
    ends = np.cumsum(sizes).tolist()
    return iter(list(zip([0, *ends[:-1]], ends, strict=True)))


@given(parts, st.integers(1, 2000))
def test_every_prefix_has_the_shares(parts: list[tuple[float, list[int]]], goal: int) -> None:
    """No part is ahead by more than its longest piece, or behind by more than those of the others
    together."""
    weights = [weight for weight, _ in parts]
    longest = [max(sizes) for _, sizes in parts]
    taken = np.zeros(len(parts))
    for number, (begin, end) in in_shares(
        weights, [partial(pieces_of, sizes) for _, sizes in parts], goal
    ):
        assert taken.sum() < goal
        taken[number] += end - begin
        ahead = taken - np.array(weights) / sum(weights) * taken.sum()
        assert all(ahead <= np.array(longest) + 1e-6)
        assert all(-ahead <= sum(longest) - np.array(longest) + 1e-6)
    assert taken.sum() >= goal


@given(parts, st.integers(1, 2000))
def test_each_part_is_read_in_order_and_begins_again(
    parts: list[tuple[float, list[int]]], goal: int
) -> None:
    weights = [weight for weight, _ in parts]
    own: list[list[tuple[int, int]]] = [[] for _ in parts]
    for number, piece in in_shares(
        weights, [partial(pieces_of, sizes) for _, sizes in parts], goal
    ):
        own[number].append(piece)
    for (_, sizes), found in zip(parts, own, strict=True):
        once = list(pieces_of(sizes))
        assert found == (once * (len(found) // len(once) + 1))[: len(found)]


@given(parts)
def test_without_a_goal_nothing_is_repeated(parts: list[tuple[float, list[int]]]) -> None:
    weights = [weight for weight, _ in parts]
    found = list(in_shares(weights, [partial(pieces_of, sizes) for _, sizes in parts], None))
    assert len(set(found)) == len(found)
    ended = [
        [piece for number, piece in found if number == part] == list(pieces_of(sizes))
        for part, (_, sizes) in enumerate(parts)
    ]
    assert any(ended), "it ends where a corpus does"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=30))
def test_the_origin_is_what_was_added(added: list[tuple[int, int]]) -> None:
    writer = OriginWriter()
    for corpus, tokens in added:
        writer.add(corpus, tokens)
    origin = Origin(np.array(writer._corpora, np.uint16), np.array(writer._tokens, np.uint32))
    every = np.array([corpus for corpus, tokens in added for _ in range(tokens)], np.int64)
    places = np.arange(len(every) + 1)
    assert origin.of(places[:-1]).tolist() == every.tolist()
    for corpus in range(4):
        expected = np.concatenate([[0], np.cumsum(every == corpus)])
        assert origin.before(places, corpus).tolist() == expected.tolist()


def corpus(folder: Path, seed: int, sizes: dict[str, list[int]]) -> dict[str, Path]:
    """The token files of a corpus with documents of these lengths."""
    rng, files = np.random.default_rng(seed), {}
    for split in SPLITS:
        tokens = rng.integers(0, END, sum(sizes[split])).astype(np.uint16)
        if sizes[split]:
            tokens[np.cumsum(sizes[split]) - 1] = END
        files[split] = folder / f"{seed}-{split}.safetensors"
        save_file({"tokens": tokens}, files[split])
    return files


@pytest.fixture
def files(tmp_path: Path) -> dict[str, dict[str, Path]]:
    web = corpus(tmp_path, 1, {"train": [10] * 60, "validation": [10] * 9, "test": [10] * 9})
    code = corpus(tmp_path, 2, {"train": [5, 15] * 5, "validation": [], "test": [5, 15]})
    return {split: {"web": web[split], "code": code[split]} for split in SPLITS}


def mix(out: Path, files: Any, vocabulary: Path, tokens: Any = None, **mixture: Any) -> Any:
    given = Mixture.model_validate({"weights": {"web": 3.0, "code": 1.0}, **mixture})
    mix_tokens(MixParams(mixture=given, tokens=tokens), files, vocabulary, out)
    return read_json(out / "card.json")


def test_a_corpus_begins_again_for_the_tokens_that_are_wanted(
    tmp_path: Path, files: Any, vocabulary: Path
) -> None:
    card = mix(tmp_path / "out", files, vocabulary, train_tokens=800)
    train = open_tokens(tmp_path / "out/train.safetensors")
    there = {name: open_tokens(file) for name, file in files["train"].items()}
    found = card["mixture"]["splits"]["train"]
    assert found["web"] == {"weight": 0.75, "tokens": 600, "share": 0.75, "available": 600}
    assert found["code"] == {"weight": 0.25, "tokens": 200, "share": 0.25, "available": 100}
    origin = Origin.read(tmp_path / "out/train.origin.safetensors").of(np.arange(800))
    np.testing.assert_array_equal(train[origin == 0], np.tile(there["code"], 2))
    np.testing.assert_array_equal(train[origin == 1], there["web"])
    assert card["splits"]["train"]["documents"] == 80
    assert card["splits"]["train"]["tokens"] == 800


def test_by_default_a_split_ends_where_its_first_corpus_does(
    tmp_path: Path, files: Any, vocabulary: Path
) -> None:
    card = mix(tmp_path / "out", files, vocabulary)
    train = card["mixture"]["splits"]["train"]
    assert (train["code"]["tokens"], train["web"]["tokens"]) == (100, 300)
    assert card["splits"]["validation"]["tokens"] == 0, "a corpus without such a split has none"
    assert card["splits"]["test"] == {"documents": 8, "bytes": card["splits"]["test"]["bytes"],
                                      "tokens": 80}  # fmt: skip


def test_sequences_have_one_length_and_leave_out_the_rest(
    tmp_path: Path, files: Any, vocabulary: Path
) -> None:
    card = mix(
        tmp_path / "out", files, vocabulary, by="sequence", sequence_tokens=16, train_tokens=640
    )
    train = open_tokens(tmp_path / "out/train.safetensors")
    origin = Origin.read(tmp_path / "out/train.origin.safetensors").of(np.arange(640))
    assert (origin.reshape(-1, 16) == origin[::16, None]).all()
    code = open_tokens(files["train"]["code"])
    np.testing.assert_array_equal(train[origin == 0], np.tile(code[:96], 2)[:160])
    assert card["mixture"]["splits"]["train"]["code"]["available"] == 96


def test_the_files_are_the_same_again_in_any_chunks(
    tmp_path: Path, files: Any, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix(tmp_path / "a", files, vocabulary, train_tokens=800)
    monkeypatch.setattr("noiseband.corpus.pieces.CHUNK", 7)
    monkeypatch.setattr("noiseband.corpus.token_writer.CHUNK", 1)
    mix(tmp_path / "b", files, vocabulary, train_tokens=800)
    for file in filter(Path.is_file, (tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_what_cannot_be_mixed_is_refused(tmp_path: Path, files: Any, vocabulary: Path) -> None:
    with pytest.raises(UserError, match=r"weights.code: .* 100 tokens, which is no whole piece"):
        mix(tmp_path / "out", files, vocabulary, by="sequence", sequence_tokens=101)
    unknown = tmp_path / "unknown.safetensors"
    save_file({"tokens": np.zeros(50, np.uint16)}, unknown)
    with pytest.raises(UserError, match=r"weights.code: .* no end-of-text .* write by: sequence"):
        changed = {**files, "train": {**files["train"], "code": unknown}}
        mix(tmp_path / "out", changed, vocabulary)
    pins = SplitTokens(train=399, validation=0, test=80)
    with pytest.raises(UserError, match=r"tokens.train: pinned 399, found 400"):
        mix(tmp_path / "out", files, vocabulary, tokens=pins)
    assert not (tmp_path / "out/card.json").exists()
