"""Vocabularies: byte-level BPE rank files in tiktoken's format, trained or published.

A rank file has `base64(token) rank` a line, ranks from 0. Both kinds split text with GPT-2's
pattern before merging and have one special token, end-of-text, whose id follows the last rank.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from importlib import resources
from pathlib import Path

import rustbpe
import tiktoken

from noiseband.corpus.documents import read_documents
from noiseband.errors import UserError
from noiseband.io.checksums import intact
from noiseband.io.files import atomic
from noiseband.study.corpora import Tokenizer

END_OF_TEXT = "<|endoftext|>"

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
"""How text is cut before merging: GPT-2's pattern as tiktoken's `r50k_base` writes it."""

GPT2_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
"""SHA-256 of `gpt2.tiktoken`, which tiktoken pins for `r50k_base.tiktoken`."""


def build_vocabulary(tokenizer: Tokenizer, text: Path | None, out: Path) -> None:
    """Write the rank file `out`: trained on the documents of `text`, or GPT-2's, for which none are
    needed.

    Training is deterministic, whatever the number of threads. Raises UserError if the training
    text has too few different pairs for the vocabulary asked for.
    """
    if tokenizer.kind == "gpt2":
        ranks = gpt2_ranks()
    elif text is None:
        raise UserError("tokenizer.kind=bpe: is trained on a corpus, and none is given; name it")
    else:
        ranks = _trained(tokenizer.size, text)
    with atomic(out) as temporary:
        temporary.write_bytes(ranks)


def gpt2_ranks() -> bytes:
    """The published GPT-2 vocabulary as a rank file, its hash checked."""
    ranks = resources.files("noiseband.corpus").joinpath("gpt2.tiktoken").read_bytes()
    found = hashlib.sha256(ranks).hexdigest()
    if found != GPT2_SHA256:
        raise UserError(
            f"noiseband/corpus/gpt2.tiktoken: expected SHA-256 {GPT2_SHA256}, found {found}; "
            "the installation is damaged: install noiseband again"
        )
    return ranks


def load_encoding(path: Path) -> tiktoken.Encoding:
    """The encoding of a rank file, with end-of-text (`eot_token`) as its last id.

    Use `encode_ordinary`: a document that quotes "<|endoftext|>" then gets the tokens of those
    thirteen characters, never the special one. Raises UserError for a file that is no rank file.
    """
    intact(path)
    # Not tiktoken.load: it keeps a copy keyed by path and would serve a stale one.
    try:
        pairs = [line.split() for line in path.read_bytes().splitlines()]
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in pairs}
    except (ValueError, binascii.Error):
        raise UserError(f"{path}: not a rank file; remove it and rebuild the vocabulary") from None
    size = len(pairs)
    complete = all(bytes([byte]) in ranks for byte in range(256))
    if not complete or list(ranks.values()) != list(range(size)):
        raise UserError(
            f"{path}: its {size} ranks are not 0 to {size - 1} over all 256 bytes; "
            "remove it and rebuild the vocabulary"
        )
    return tiktoken.Encoding(
        name="noiseband",
        pat_str=PATTERN,
        mergeable_ranks=ranks,
        special_tokens={END_OF_TEXT: size},
        explicit_n_vocab=size + 1,
    )


def _trained(size: int, text: Path) -> bytes:
    bpe = rustbpe.Tokenizer()
    texts = (document.text for document in read_documents(text))
    bpe.train_from_iterator(texts, size - 1, pattern=PATTERN)
    ranks = bpe.get_mergeable_ranks()
    if len(ranks) < size - 1:
        raise UserError(
            f"tokenizer.vocabulary: {size} ids are wanted, the training split yields at most "
            f"{len(ranks) + 1}; lower it or add a source"
        )
    lines = (base64.b64encode(bytes(token)) + b" %d\n" % rank for token, rank in ranks)
    return b"".join(lines)
