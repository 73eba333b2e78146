"""Contamination agrees with sets of tuples, and finds documents that were planted."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import save_file

from noiseband.errors import UserError
from noiseband.evaluate import contamination as module
from noiseband.evaluate import documents
from noiseband.evaluate.contamination import Training, contamination, contamination_file
from noiseband.study.config import Evaluation
from noiseband.study.contamination import ContaminationParams, Segment

Tokens = NDArray[np.uint16]
END = 500


def text(seed: int, *lengths: int) -> Tokens:
    """Random documents with the given numbers of tokens, including the end of text."""
    generator = np.random.default_rng(seed)
    return np.concatenate(
        [np.append(generator.integers(0, END, n - 1), END) for n in lengths]
    ).astype(np.uint16)


def naive(split: Tokens, first: int, stop: int, training: Any) -> dict[str, Any]:
    """The same result, computed with sets of tuples that hold everything."""

    def whole(tokens: list[int], first: int, stop: int) -> list[tuple[int, ...]]:
        found, begin = [], 0
        for place, token in enumerate(tokens):
            if token == END:
                if first <= begin and place < stop:
                    found.append(tuple(tokens[begin : place + 1]))
                begin = place + 1
        return found

    def spans(tokens: list[int]) -> list[tuple[int, ...]]:
        return [tuple(tokens[at : at + 32]) for at in range(len(tokens) - 31)]

    read_documents, read_spans = set(), set()
    for tokens, begin, end in training:
        read_documents |= set(whole(tokens.tolist(), begin, end))
        read_spans |= set(spans(tokens[begin:end].tolist()))
    tested, windows = whole(split.tolist(), first, stop), spans(split[first:stop].tolist())
    return {
        "documents": len(tested),
        "documents_found": sum(document in read_documents for document in tested),
        "tokens": stop - first,
        "tokens_found": sum(len(document) for document in tested if document in read_documents),
        "spans": len(windows),
        "spans_found": sum(span in read_spans for span in windows),
    }


lines = st.lists(st.integers(0, 6), max_size=7)  # few and short documents, so that many are equal


def sequence(choices: list[int]) -> Tokens:
    known = [text(seed, n) for seed, n in enumerate((1, 2, 3, 30, 32, 33, 50))]
    return np.concatenate([np.empty(0, np.uint16), *(known[choice] for choice in choices)])


@given(lines, lines, lines, st.tuples(*[st.integers(0, 200)] * 6), st.integers(1, 70))
def test_it_is_what_sets_of_all_documents_and_spans_give(
    a: list[int], b: list[int], c: list[int], cuts: tuple[int, ...], chunk: int
) -> None:
    segments = []
    for tokens, pair in zip(map(sequence, (a, b, c)), (cuts[:2], cuts[2:4], cuts[4:]), strict=True):
        begin, end = sorted(min(cut, len(tokens)) for cut in pair)
        segments.append((tokens, begin, end))
    (split, first, stop), *training = segments
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        patch.setattr(documents, "CHUNK", chunk)
        found = contamination(split, first, stop, [Training(*one) for one in training], END)
    expected = naive(split, first, stop, training)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("chunk", [33, 1000, 2**15])
def test_planted_documents_have_known_shares(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    monkeypatch.setattr(documents, "CHUNK", chunk)
    split = text(1, 100, 200, 20, 300, 380)
    planted, short, cut = split[100:300], split[300:320], split[320:620]
    training = np.concatenate(
        [text(2, 700), planted, text(3, 40), planted, short, text(4, 500), cut[:150], text(5, 90)]
    )
    found = contamination(split, 0, len(split), [Training(training, 0, len(training))], END)
    assert (found["documents"], found["documents_found"]) == (5, 2)
    assert (found["tokens"], found["tokens_found"]) == (1000, 220)
    # 200 + 20 consecutive tokens, which are consecutive in training too, and 150 others; an end of
    # text is before both.
    assert (found["spans"], found["spans_found"]) == (969, (1 + 220 - 31) + (1 + 150 - 31))
    assert found["expected_false_spans"] < 1e-10


def test_what_was_not_read_is_not_looked_into() -> None:
    split = text(1, 100, 100)
    training = np.concatenate([split, text(2, 100)])
    nothing = contamination(split, 0, 200, [Training(training, 200, 300)], END)
    assert (nothing["documents_found"], nothing["spans_found"]) == (0, 0)
    # Training stops one token early, before the end-of-text of the second document.
    almost = contamination(split, 0, 200, [Training(training, 0, 199)], END)
    assert (almost["documents_found"], almost["spans_found"]) == (1, 200 - 32)
    # Two adjacent segments were read separately, so no span crosses their border.
    two = [Training(training, 0, 150), Training(training, 150, 300)]
    apart = contamination(split, 0, 200, two, END)
    assert (apart["documents_found"], apart["spans_found"]) == (1, 169 - 31)


def test_memory_does_not_grow_with_the_training_tokens(tmp_path: Path) -> None:
    """60 million tokens (120 MB on disk) take less than a tenth of the memory of their hashes."""
    generator = np.random.default_rng(0)
    file = tmp_path / "train.safetensors"
    training = np.tile(generator.integers(0, 2**16, 2**20, dtype=np.uint16), 60)
    save_file({"tokens": torch.from_numpy(training)}, file)
    del training
    test = tmp_path / "test.safetensors"
    save_file({"tokens": torch.from_numpy(text(1, *[500] * 40))}, test)
    params = ContaminationParams(
        corpus="c", context=100, evaluation=Evaluation(batch=10), end_of_text=END,
        training=[Segment(corpus="c", first=0, stop=60 * 2**20)], not_compared=[],
    )  # fmt: skip
    tracemalloc.start()
    contamination_file(params, test, [file], tmp_path / "out.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6
    assert json.loads((tmp_path / "out.json").read_text())["documents_found"] == 0


def test_files(tmp_path: Path) -> None:
    split = text(1, 60, 60, 60)
    files = tmp_path / "test.safetensors", tmp_path / "train.safetensors"
    save_file({"tokens": torch.from_numpy(split)}, files[0])
    save_file({"tokens": torch.from_numpy(np.concatenate([text(2, 9), split[60:]]))}, files[1])
    params = ContaminationParams(
        corpus="c", context=10, evaluation=Evaluation(start_token=3, batch=2), end_of_text=END,
        training=[Segment(corpus="c", first=0, stop=129)], not_compared=["other"],
    )  # fmt: skip
    contamination_file(params, files[0], [files[1]], tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {
        "corpus": "c",
        "split": "test",
        "first_token": 4,
        "stop_token": 164,  # 176 targets are eight batches of 20
        "trained_on": [{"corpus": "c", "first": 0, "stop": 129}],
        "not_compared": ["other"],
        "documents": 1,
        "documents_found": 1,
        "tokens": 160,
        "tokens_found": 60,
        "span": 32,
        "spans": 129,
        "spans_found": 1 + 164 - 60 - 31,  # including the end of text before it
        "expected_false_spans": 129 * 98 / 2**64,
    }
    beyond = params.model_copy(update={"training": [Segment(corpus="c", first=0, stop=130)]})
    with pytest.raises(UserError, match=r"train\.safetensors: has 129 tokens, .* reads up to 130"):
        contamination_file(beyond, files[0], [files[1]], tmp_path / "out.json")


def test_documents_of_packed_sequences_begin_where_a_sequence_does() -> None:
    """Sequences of 100 tokens: 60 + 40 cropped, and a document of 100."""
    cropped, first, second = text(1, 70), text(2, 60), text(3, 100)
    packed = np.concatenate([first, cropped[:40], second, text(4, 100)])
    split = np.concatenate([first, cropped, second])
    found = contamination(split, 0, len(split), [Training(packed, 0, 300, 100)], END)
    assert (found["documents"], found["documents_found"]) == (3, 2)
    assert found["tokens_found"] == 160
    # The second and third sequences only: tokens before them were not read.
    later = contamination(split, 0, len(split), [Training(packed, 100, 300, 100)], END)
    assert later["documents_found"] == 1
