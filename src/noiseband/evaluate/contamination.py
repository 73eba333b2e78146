"""Measure how much of a test window occurs in the training tokens of a run.

Both are token files mapped into memory. The memory in use grows only with the test window, because
training tokens are read in chunks.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from noiseband.corpus.token_file import Tokens, open_tokens
from noiseband.corpus.vocabulary import load_encoding
from noiseband.errors import UserError
from noiseband.evaluate.documents import whole_documents
from noiseband.evaluate.spans import SPAN, SpanSet, span_hashes
from noiseband.evaluate.window import first_target, window_targets
from noiseband.io.files import write_json
from noiseband.study.contamination import ContaminationParams

CHUNK = 2**15
"""Training tokens that are hashed together; their hashes fit into a processor's cache."""


class Training(NamedTuple):
    """A segment of training tokens."""

    tokens: Tokens
    """All tokens of the file, shape (n,)."""
    first: int
    stop: int
    """One past the last token that was read."""
    row: int | None = None
    """Length of the packed sequences of the file; None if its tokens are contiguous."""


def contamination_file(
    params: ContaminationParams,
    tokens: Path,
    training: Sequence[Path],
    out: Path,
    vocabulary: Path | None = None,
) -> None:
    """Write the result of `contamination` for token files as JSON.

    `tokens` is the file of the test window's split; `training` has one file for each segment in
    `params.training`. The `vocabulary` is read if the params do not say which id ends a document.
    Raises UserError if a window or a segment does not fit its file.
    """
    segments = []
    for segment, file in zip(params.training, training, strict=True):
        there, (first, stop) = open_tokens(file), segment.places
        if stop > len(there):
            raise UserError(
                f"{file}: has {len(there):,} tokens, but training reads up to {stop:,}; "
                "lower train_tokens"
            )
        segments.append(Training(np.asarray(there), first, stop, segment.row))
    split = np.asarray(open_tokens(tokens))
    targets = window_targets(len(split), params.evaluation, params.context)
    first = first_target(params.evaluation)
    end = params.end_of_text
    if end is None:
        assert vocabulary is not None  # The rule gives it.
        end = load_encoding(vocabulary).eot_token
    found = contamination(split, first, first + targets, segments, end)
    about = {
        "corpus": params.corpus,
        "split": params.evaluation.split,
        "first_token": first,
        "stop_token": first + targets,
        "trained_on": [segment.model_dump() for segment in params.training],
        "not_compared": params.not_compared,
    }
    write_json(out, {**about, **found})


def contamination(
    split: Tokens,
    first: int,
    stop: int,
    training: Sequence[Training],
    end_of_text: int,
) -> dict[str, Any]:
    """How much of split[first:stop], the targets of a test window, occurs in the training tokens.

    Args:
        split: all tokens of the test window's split, (any,).
        training: what was read.
        end_of_text: id that ends a document.

    Returns:
        - `documents`: the number of documents that are completely in the window, and
          `documents_found`: those that are equal to a document read completely in training;
        - `tokens`: the number of tokens of the window, and `tokens_found`: those in the documents
          found;
        - `spans`: the number of segments of `span` consecutive tokens, overlapping and including
          ends of texts, and `spans_found`: those that occur anywhere in the training tokens;
        - `expected_false_spans`: the expected number of `spans_found` by chance, because spans are
          compared by 64-bit hashes. Documents are compared by SHA-256.
    """
    counts, sizes = Counter[bytes](), dict[bytes, int]()
    for digest, size in _documents(split, first, stop, end_of_text):
        counts[digest] += 1
        sizes[digest] = size
    lengths = np.unique(np.array([*sizes.values()], dtype=np.int64))
    spans = SpanSet(span_hashes(split[first:stop]))
    found, read = set[bytes](), 0
    for tokens, begin, end, row in training:
        there = _documents(tokens, begin, end, end_of_text, lengths, row)
        found.update(digest for digest, _ in there if digest in counts)
        for at in range(begin, end - SPAN + 1, CHUNK):
            spans.look_in(span_hashes(tokens[at : min(at + CHUNK + SPAN - 1, end)]))
        read += max(end - begin - SPAN + 1, 0)
    return {
        "documents": counts.total(),
        "documents_found": sum(counts[digest] for digest in found),
        "tokens": stop - first,
        "tokens_found": sum(counts[digest] * sizes[digest] for digest in found),
        "span": SPAN,
        "spans": spans.spans,
        "spans_found": spans.spans_found,
        "expected_false_spans": spans.spans * read / 2**64,
    }


def _documents(
    tokens: Tokens,
    first: int,
    stop: int,
    end_of_text: int,
    lengths: NDArray[np.int64] | None = None,
    row: int | None = None,
) -> Iterator[tuple[bytes, int]]:
    """The SHA-256 and length of each document that is completely in tokens[first:stop].

    If `lengths` is given, only documents with one of these lengths are included; `row` is the
    length of packed sequences.
    """
    for places in whole_documents(tokens, first, stop, end_of_text, row):
        if lengths is not None:
            places = places[np.isin(places[:, 1] - places[:, 0], lengths)]
        for begin, end in places.tolist():
            # Of one type, since files of one vocabulary may have ids of different widths.
            ids = tokens[begin:end].astype("<u4")
            yield hashlib.sha256(ids.tobytes()).digest(), end - begin
