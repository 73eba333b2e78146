"""Splits as token files: one 16-bit tensor each, mapped into memory and never read whole."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tiktoken

from noiseband.corpus.documents import SPLITS, read_documents
from noiseband.corpus.vocabulary import load_encoding
from noiseband.errors import UserError
from noiseband.files import atomic, write_json
from noiseband.study.corpora import SplitTokens

TENSOR = "tokens"
HEADER_BYTES = 128
"""Length of a token file's header: enough for any shape, and the data starts aligned."""

LONGEST_HEADER = 2**20
"""Longer headers than this are not read: a file that starts so is none of ours."""


def tokenize(corpus_folder: Path, vocabulary: Path, pinned: SplitTokens | None, out: Path) -> None:
    """Write `train.safetensors`, `validation.safetensors`, `test.safetensors` and `card.json`.

    `corpus_folder` holds the splits as `build_corpus` wrote them, `vocabulary` is a rank file.
    The files hold one 1-D uint16 tensor, `tokens`: the documents in order, end-of-text after
    each. Raises UserError if a split has another number of tokens than `pinned` says; then no
    card is written, for it comes last.
    """
    encoding = load_encoding(vocabulary)
    splits = {
        split: _write_tokens(
            encoding, corpus_folder / f"{split}.jsonl", out / f"{split}.safetensors"
        )
        for split in SPLITS
    }
    check_pins(pinned, {split: size["tokens"] for split, size in splits.items()})
    card = {
        "vocabulary": encoding.n_vocab,
        "vocabulary_sha256": hashlib.sha256(vocabulary.read_bytes()).hexdigest(),
        "splits": splits,
        "test_unigram_nats": unigram_entropy(open_tokens(out / "test.safetensors")),
    }
    write_json(out / "card.json", card)


def open_tokens(path: Path) -> npt.NDArray[np.uint16]:
    """The tokens of a file, shape (n,), mapped read-only: nothing but the header is read.

    Raises UserError for anything but a file with one 1-D uint16 tensor called `tokens`.
    """
    try:
        length, header = _read_header(path)
        ((name, tensor),) = header.items()
        (tokens,) = tensor["shape"]
        expected = {"dtype": "U16", "shape": [tokens], "data_offsets": [0, 2 * tokens]}
        size = 8 + length + 2 * tokens
        valid = name == TENSOR and tensor == expected and size == path.stat().st_size
    except (OSError, ValueError, TypeError, KeyError):
        valid = False
    if not valid:
        raise UserError(
            f"{path}: not a safetensors file with one 1-D U16 tensor `{TENSOR}`; "
            "remove it and tokenise the corpus again"
        )
    return np.memmap(path, dtype="<u2", mode="r", offset=8 + length, shape=(tokens,))


def unigram_entropy(tokens: npt.NDArray[np.uint16]) -> float:
    """Empirical entropy of tokens in nats per token, rounded to 6 decimals.

    That is the cross-entropy of these very tokens under their own frequencies: what the best
    model that knows frequencies and no context would reach on them.
    """
    chunks = (tokens[start : start + 2**20] for start in range(0, len(tokens), 2**20))
    counts = sum(np.bincount(chunk, minlength=2**16) for chunk in chunks)
    shares = [int(count) / len(tokens) for count in np.asarray(counts) if count]
    return round(-math.fsum(share * math.log(share) for share in shares), 6)


def _write_tokens(encoding: tiktoken.Encoding, split: Path, out: Path) -> dict[str, int]:
    """Encode a split document by document, then fill in the header that needs the count."""
    size = {"documents": 0, "bytes": 0, "tokens": 0}
    with atomic(out) as temporary, open(temporary, "wb") as file:
        file.write(bytes(HEADER_BYTES))
        for document in read_documents(split):
            ids = [*encoding.encode_ordinary(document.text), encoding.eot_token]
            file.write(np.array(ids, dtype="<u2").tobytes())
            size["documents"] += 1
            size["bytes"] += len(document.text.encode())
            size["tokens"] += len(ids)
        file.seek(0)
        file.write(_header(size["tokens"]))
    return size


def _header(tokens: int) -> bytes:
    """Header of a safetensors file: length (u64, little-endian) and JSON, padded with blanks."""
    tensor = {"dtype": "U16", "shape": [tokens], "data_offsets": [0, 2 * tokens]}
    text = json.dumps({TENSOR: tensor}).encode().ljust(HEADER_BYTES - 8)
    return struct.pack("<Q", len(text)) + text


def _read_header(path: Path) -> tuple[int, dict[str, Any]]:
    """Length of the JSON in bytes, and its tensors; ValueError or TypeError for anything else."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
        if length > LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise TypeError("a header that is no object")
    return length, {name: tensor for name, tensor in header.items() if name != "__metadata__"}


def check_pins(pinned: SplitTokens | None, found: dict[str, int]) -> None:
    """Raises UserError where a split has another number of tokens than pinned."""
    wanted: dict[str, Any] = pinned.model_dump() if pinned else found
    wrong = [
        f"tokens.{split}: pinned {wanted[split]}, found {found[split]}"
        for split in SPLITS
        if wanted[split] != found[split]
    ]
    if wrong:
        raise UserError(
            "; ".join(wrong) + "; corpus or vocabulary changed: restore them, or pin what was found"
        )
