"""Vocabularies: byte-level BPE rank files in tiktoken's format, trained or published.

Each line of a rank file is `base64(token) rank`, with ranks from 0. Both kinds of vocabulary split
text with GPT-2's pattern before merging, and have one special token, end-of-text, whose id follows
the last rank.
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
"""GPT-2's pattern, which splits text before merging, as it is in tiktoken's `r50k_base`."""

GPT2_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
"""SHA-256 of `gpt2.tiktoken`. It is the one that tiktoken pins for `r50k_base.tiktoken`."""


def build_vocabulary(tokenizer: Tokenizer, text: Path | None, out: Path) -> None:
    """Write the rank file `out`, either trained on the documents of `text` or GPT-2's, which needs
    no text.

    Training is deterministic for any number of threads. Raises UserError if the training text has
    too few different pairs for the size of the vocabulary.
    """
    if tokenizer.kind == "gpt2":
        ranks = gpt2_ranks()
    elif text is None:
        raise UserError("tokenizer.kind=bpe: it is trained on a corpus; name the training split")
    else:
        ranks = _trained(tokenizer.size, text)
    with atomic(out) as temporary:
        temporary.write_bytes(ranks)


def copy_vocabulary(tokenizer: Tokenizer, vocabulary: Path, out: Path) -> None:
    """Write another corpus's rank file, whose tokenizer is `tokenizer`, to `out`.

    Raises UserError if the file is damaged or of another size.
    """
    found = load_encoding(vocabulary).n_vocab
    if found != tokenizer.size:
        raise UserError(
            f"{vocabulary}: has {found:,} ids, but tokenizer.like is of a corpus with "
            f"{tokenizer.size:,}; remove it and rebuild the vocabulary"
        )
    with atomic(out) as temporary:
        temporary.write_bytes(vocabulary.read_bytes())


def gpt2_ranks() -> bytes:
    """Return the published GPT-2 vocabulary as a rank file, after checking its hash."""
    ranks = resources.files("noiseband.corpus").joinpath("gpt2.tiktoken").read_bytes()
    found = hashlib.sha256(ranks).hexdigest()
    if found != GPT2_SHA256:
        raise UserError(
            f"noiseband/corpus/gpt2.tiktoken: expected SHA-256 {GPT2_SHA256}, found {found}; "
            "the installation is damaged; install noiseband again"
        )
    return ranks


def load_encoding(path: Path) -> tiktoken.Encoding:
    """Return the encoding of a rank file, with end-of-text (`eot_token`) as its last id.

    Use `encode_ordinary`, so that a document that quotes "<|endoftext|>" gets the tokens of those
    thirteen characters and not the special token. Raises UserError if it is not a rank file.
    """
    intact(path)
    # Not tiktoken.load, which caches files by path and could return an old one.
    try:
        pairs = [line.split() for line in path.read_bytes().splitlines()]
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in pairs}
    except (ValueError, binascii.Error):
        raise UserError(f"{path}: not a rank file; remove it and rebuild the vocabulary") from None
    size = len(pairs)
    complete = all(bytes([byte]) in ranks for byte in range(256))
    if not complete or list(ranks.values()) != list(range(size)):
        raise UserError(
            f"{path}: its {size} ranks are not 0 to {size - 1} with all 256 bytes among them; "
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
            f"tokenizer.vocabulary: {size} ids are requested, but the training split gives at most "
            f"{len(ranks) + 1}; lower it or add a source"
        )
    lines = (base64.b64encode(bytes(token)) + b" %d\n" % rank for token, rank in ranks)
    return b"".join(lines)
