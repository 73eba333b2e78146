"""Tokenise a corpus: encode its splits in shards, join the shards, and write a card."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from noiseband.corpus.documents import SPLITS
from noiseband.corpus.shards import HEAD, Shard, Shards, Size
from noiseband.corpus.token_file import HEADER_BYTES, WIDE, Tokens, token_header
from noiseband.corpus.vocabulary import load_encoding
from noiseband.corpus.work_folder import work_folder
from noiseband.errors import UserError
from noiseband.io.checksums import file_sha256, intact
from noiseband.io.files import atomic, write_json
from noiseband.study.corpora import SplitTokens

USUALLY_NONE = ("not_utf8", "changed", "unknown")
"""Counts of documents with which something is the matter."""


def tokenize(
    corpus_folder: Path,
    vocabulary: Path,
    pinned: SplitTokens | None,
    out: Path,
    allow_special: bool = False,
    workers: int = 1,
    work: Path | None = None,
) -> None:
    """Write `train.safetensors`, `validation.safetensors`, `test.safetensors` and `card.json`.

    Each split's file contains one 1-D tensor, `tokens`, of type uint16 or, for more than 65,536
    ids, int32: the documents in order, with end-of-text after each. The files do not depend on
    `workers`. Text that is not valid UTF-8 is repaired (see `documents.valid_text`), and the card
    counts such documents, as it does those whose text a tokenizer of one's own changes or does not
    know. The memory is at most about 100 MB, plus 5 MB for each worker, plus 10
    bytes for each byte of the longest document. The shards in `work` take as much disk space as the
    token files; after a kill, the next start reuses them.

    Args:
        corpus_folder: the splits, as `build_corpus` writes them.
        vocabulary: the vocabulary, as `build_vocabulary` writes it.
        pinned: numbers of tokens that the splits must have.
        out: folder for the files.
        allow_special: whether "<|endoftext|>" in a text becomes one end-of-text token.
        workers: number of threads.
        work: folder for the shards, kept only if this function fails; by default `out`/work.

    Raises UserError if a line is not a document, if the disk is full, or if a split does not have
    the pinned number of tokens. No card is written then, because the card comes last.
    """
    encoding = load_encoding(vocabulary)
    identity = file_sha256(vocabulary)
    work = work or out / "work"
    with work_folder(work):
        for leftover in out.glob(".*.safetensors.*.tmp"):
            leftover.unlink()  # An incomplete file of a process that was killed.
        shards = Shards(encoding, identity, allow_special, work)
        files = [intact(corpus_folder / f"{split}.jsonl") for split in SPLITS]
        encoded = dict(zip(SPLITS, shards.encode(files, workers), strict=True))
        width = shards.width
        sizes = {
            split: _join(encoded[split], out / f"{split}.safetensors", width) for split in SPLITS
        }
        check_pins(pinned, {split: size.tokens for split, size in sizes.items()})
        card = {
            "vocabulary": encoding.n_vocab,
            "vocabulary_sha256": identity,
            "splits": {split: _size_card(split, size) for split, size in sizes.items()},
            "test_unigram_nats": unigram_entropy(
                _chunks(out / "test.safetensors", width), encoding.n_vocab
            ),
        }
        write_json(out / "card.json", card)


def unigram_entropy(chunks: Iterable[Tokens], vocabulary: int = WIDE) -> float:
    """Return the empirical entropy of tokens in nats per token, rounded to 6 decimals.

    It is the cross-entropy of the tokens under their own frequencies, which is the lowest loss that
    a model without context can reach. Each chunk is an array of tokens below `vocabulary`, (n,).
    """
    none = np.zeros(vocabulary, dtype=np.int64)
    counts = reduce(add, (np.bincount(chunk, minlength=vocabulary) for chunk in chunks), none)
    total = int(counts.sum())
    shares = [int(count) / total for count in counts if count]
    return round(-math.fsum(share * math.log(share) for share in shares), 6)


def _join(shards: list[Shard], out: Path, width: int) -> Size:
    """Write a split's token file from its shards in order, and return its size. `width` is the
    number of bytes of an id."""
    size = sum((shard.size for shard in shards), Size())
    with atomic(out) as temporary, open(temporary, "wb") as file:
        file.write(token_header(size.tokens, width))
        for shard in shards:
            with open(shard.path, "rb") as part:
                part.seek(HEAD)
                shutil.copyfileobj(part, file, 2**20)
    return size


def _chunks(path: Path, width: int) -> Iterator[Tokens]:
    """Yield the tokens of a file that was just written. Reading takes less memory than mapping."""
    with open(path, "rb") as file:
        file.seek(HEADER_BYTES)
        while data := file.read(2**21):
            yield np.frombuffer(data, dtype=f"<u{width}")


def _size_card(split: str, size: Size) -> dict[str, int]:
    card = dict(vars(size))
    if size.not_utf8:
        print(
            f"{split}: {size.not_utf8} of {size.documents} documents contain text that is not "
            "valid UTF-8; U+FFFD replaces it",
            file=sys.stderr,
        )
    # The usual number of these is 0, which is not shown on the card.
    return {name: n for name, n in card.items() if n or name not in USUALLY_NONE}


def check_pins(pinned: SplitTokens | None, found: dict[str, int]) -> None:
    """Raise UserError if a split does not have the pinned number of tokens."""
    wanted: dict[str, Any] = pinned.model_dump() if pinned else found
    wrong = [
        f"tokens.{split}: pinned {wanted[split]}, found {found[split]}"
        for split in SPLITS
        if wanted[split] != found[split]
    ]
    if wrong:
        raise UserError(
            "; ".join(wrong) + "; restore the corpus and vocabulary, or pin the numbers found"
        )
