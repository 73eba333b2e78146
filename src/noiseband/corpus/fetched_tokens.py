"""Ready-made token files, checked and put where a study's own token files would be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tqdm import tqdm

from noiseband.corpus.dataset_files import checked, dataset_files, where
from noiseband.corpus.documents import SPLITS
from noiseband.corpus.token_file import TENSOR, Tokens, open_tokens, token_type
from noiseband.corpus.tokens import check_pins, unigram_entropy
from noiseband.corpus.vocabulary import Encoding, load_encoding, token_bytes
from noiseband.errors import DamagedError, UserError
from noiseband.io.checksums import file_sha256
from noiseband.io.files import atomic, write_json
from noiseband.io.hub_files import put, reason
from noiseband.study.corpora import Tokenised
from noiseband.study.data_params import FetchTokensParams

CHUNK = 2**22
"""Number of tokens that are checked at once."""


def fetch_tokens(params: FetchTokensParams, vocabulary: Path, out: Path) -> None:
    """Write `train.safetensors`, `validation.safetensors`, `test.safetensors` and `card.json`.

    They are the data set's own files. Files from the Hub are hard links to the client's cache if
    the disk allows it; files from a folder are copies, since their owner may change them in place.
    A split without a file gets one without tokens. `vocabulary` is the rank file of their ids.

    Raises UserError if a file cannot be fetched, has another SHA-256 or number of tokens than
    pinned, is not one 1-D tensor `tokens` of type uint16, int32 or uint32, or contains an id
    outside the vocabulary. Then nothing is written: files are put in place after all checks, and
    the card comes last.
    """
    source = params.tokenised
    files = dataset_files(source, list(source.files.values()))
    pins = checked(source, files)
    encoding = load_encoding(vocabulary)
    names = {split: f"{name} of {where(source)}" for split, name in source.files.items()}
    tokens = {split: _opened(files[name], names[split]) for split, name in source.files.items()}
    check_pins(params.tokens, {split: len(tokens.get(split, ())) for split in SPLITS})
    empty = {"documents": 0, "bytes": 0, "tokens": 0}
    sizes = {
        split: measure(tokens[split], encoding, names[split]) if split in tokens else empty
        for split in SPLITS
    }
    try:
        for split in SPLITS:
            file = files[source.files[split]] if split in tokens else None
            place = out / f"{split}.safetensors"
            _place(file, place, encoding.n_vocab, copied=source.repo is None)
    except OSError as error:
        raise UserError(f"{out}: {reason(error)}") from error
    card = {
        "vocabulary": encoding.n_vocab,
        "vocabulary_sha256": file_sha256(vocabulary),
        "splits": sizes,
        "test_unigram_nats": unigram_entropy(_chunks(tokens["test"]), encoding.n_vocab),
        "sources": [_card(source, sizes, pins)],
    }
    write_json(out / "card.json", card)


def measure(tokens: Tokens, encoding: Encoding, name: str) -> dict[str, int]:
    """Count the documents (end-of-text tokens), bytes of text and tokens of a split, shape (n,).

    The bytes are left out for a tokenizer whose ids do not stand for the bytes of a text.

    Raises UserError if any token's id is outside the vocabulary.
    """
    counts = np.zeros(encoding.n_vocab, dtype=np.int64)
    largest = 0
    with tqdm(
        total=len(tokens),
        desc=f"Checking {name}",
        unit=" tokens",
        unit_scale=True,
        delay=2,
        disable=None,
    ) as bar:
        for chunk in _chunks(tokens):
            largest = max(largest, int(chunk.max(initial=0)))
            if largest < encoding.n_vocab:
                counts += np.bincount(chunk, minlength=len(counts))
            bar.update(len(chunk))
    if largest >= encoding.n_vocab:
        raise UserError(
            f"{name}: contains id {largest}, but the vocabulary has ids 0 to "
            f"{encoding.n_vocab - 1}; use a file with this vocabulary"
        )
    lengths = token_bytes(encoding)
    return {
        "documents": int(counts[encoding.eot_token]),
        **({} if lengths is None else {"bytes": int(counts @ lengths)}),
        "tokens": len(tokens),
    }


def _chunks(tokens: Tokens) -> Iterator[Tokens]:
    return (tokens[start : start + CHUNK] for start in range(0, len(tokens), CHUNK))


def _opened(path: Path, name: str) -> Tokens:
    try:
        return open_tokens(path)
    except DamagedError:
        raise
    except UserError:
        raise UserError(
            f"{name}: not a safetensors file with one 1-D U16 or I32 tensor `{TENSOR}`; "
            "name another file"
        ) from None


def _place(file: Path | None, out: Path, vocabulary: int, *, copied: bool) -> None:
    if file is None:
        wide = token_type(vocabulary).itemsize > 2
        with atomic(out) as temporary:
            save_file({TENSOR: np.empty(0, np.int32 if wide else np.uint16)}, temporary)
    elif copied:
        with atomic(out) as temporary:
            shutil.copyfile(file, temporary)
    else:
        put(file, out)


def _card(
    source: Tokenised, sizes: dict[str, dict[str, int]], sha256: dict[str, str]
) -> dict[str, Any]:
    # The folder is left out, since its place on a disk says nothing about its content.
    return {
        "repo": source.repo,
        "revision": source.revision,
        "splits": source.files,
        "files": sha256,
        "documents": sum(size["documents"] for size in sizes.values()),
    }
