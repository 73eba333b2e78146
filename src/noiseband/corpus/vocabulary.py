"""Vocabularies: byte-level BPE rank files in tiktoken's format, trained or published.

Each line of a rank file is `base64(token) rank`, with ranks from 0. Both kinds of vocabulary split
text with GPT-2's pattern before merging, and have one special token, end-of-text, whose id follows
the last rank. The vocabulary of a tokenizer of the user's own is a file of another form
(`own_tokenizers`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Protocol

import numpy as np
import rustbpe
import tiktoken
from numpy.typing import NDArray

from noiseband.corpus.documents import read_documents
from noiseband.errors import UserError
from noiseband.io.checksums import intact
from noiseband.io.files import atomic
from noiseband.study.tokenizer_files import FileTokenizer
from noiseband.study.tokenizers import OwnTokenizer

END_OF_TEXT = "<|endoftext|>"

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
"""GPT-2's pattern, which splits text before merging, as it is in tiktoken's `r50k_base`."""

GPT2_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
"""SHA-256 of `gpt2.tiktoken`. It is the one that tiktoken pins for `r50k_base.tiktoken`."""


class Encoding(Protocol):
    """What noiseband uses of a vocabulary: `tiktoken.Encoding`, or one's own tokenizer."""

    @property
    def n_vocab(self) -> int:
        """Number of token ids."""

    @property
    def eot_token(self) -> int:
        """Id of end-of-text."""

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text, special tokens in it being ordinary text."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of ids."""

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """The bytes of the text of ids."""


def build_vocabulary(tokenizer: OwnTokenizer, source: Path | None, out: Path) -> None:
    """Write a corpus's vocabulary to `out`.

    Args:
        source: for kind `bpe`, the documents on which it is trained; for kind `file`, the file,
            which is fetched if it is on the Hub.

    Training is deterministic for any number of threads. Raises UserError if the training text has
    too few different pairs for the size of the vocabulary, or a file is not a tokenizer.
    """
    if isinstance(tokenizer, FileTokenizer):
        _keep(tokenizer, source, out)
        return
    if tokenizer.kind == "gpt2":
        ranks = gpt2_ranks()
    elif source is None:
        raise UserError("tokenizer.kind=bpe: it is trained on a corpus; name the training split")
    else:
        ranks = _trained(tokenizer.size, source)
    with atomic(out) as temporary:
        temporary.write_bytes(ranks)


def _keep(tokenizer: FileTokenizer, source: Path | None, out: Path) -> None:
    """Write the vocabulary of a tokenizer's file, which is fetched if it is on the Hub."""
    from noiseband.corpus.own_tokenizers import write_kept

    if tokenizer.repo is None:
        assert tokenizer.path is not None
        write_kept(tokenizer, source or Path(tokenizer.path), out)
        return
    from noiseband.io.hub_files import fetch_file

    assert tokenizer.revision is not None
    with tempfile.TemporaryDirectory(prefix="noiseband-tokenizer-") as folder:
        file = Path(folder) / "file"
        fetch_file(
            tokenizer.repo,
            tokenizer.revision,
            tokenizer.name,
            file,
            sha256=tokenizer.sha256,
            unpinned=tokenizer.unpinned,
        )
        write_kept(tokenizer, file, out)


def copy_vocabulary(tokenizer: OwnTokenizer, vocabulary: Path, out: Path) -> None:
    """Write another corpus's vocabulary, whose tokenizer is `tokenizer`, to `out`.

    Raises UserError if the file is damaged or of another size.
    """
    found, known = load_encoding(vocabulary).n_vocab, tokenizer.facts
    if known is not None and found != known.size:
        raise UserError(
            f"{vocabulary}: has {found:,} ids, but tokenizer.like is of a corpus with "
            f"{known.size:,}; remove it and rebuild the vocabulary"
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


def load_encoding(path: Path) -> Encoding:
    """Return the encoding of a vocabulary.

    That of a rank file has end-of-text (`eot_token`) as its last id, and a tokenizer of one's own
    wherever it is. Use `encode_ordinary`, so that a document that quotes "<|endoftext|>" gets the
    tokens of those thirteen characters and not the special token. Raises UserError if it is not a
    vocabulary.
    """
    content = intact(path).read_bytes()
    if content.startswith(b"{"):
        from noiseband.corpus.own_tokenizers import OwnEncoding, read_kept

        return OwnEncoding(read_kept(content, path), str(path))
    return _of_ranks(content, path)


def load_ranks(path: Path) -> tiktoken.Encoding:
    """Return the encoding of a rank file. Raises UserError if it is not one."""
    return _of_ranks(intact(path).read_bytes(), path)


def _of_ranks(content: bytes, path: Path) -> tiktoken.Encoding:
    # Not tiktoken.load, which caches files by path and could return an old one.
    try:
        pairs = [line.split() for line in content.splitlines()]
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


def token_bytes(encoding: Encoding) -> NDArray[np.int64] | None:
    """The number of bytes of text of each token id, (n_vocab,); end-of-text has none.

    None for a tokenizer of one's own whose ids do not stand for the bytes of a text.
    """
    if not isinstance(encoding, tiktoken.Encoding):
        found: NDArray[np.int64] | None = getattr(encoding, "token_bytes", None)
        return found
    lengths = [len(encoding.decode_single_token_bytes(id)) for id in range(encoding.n_vocab)]
    lengths[encoding.eot_token] = 0
    return np.array(lengths, dtype=np.int64)


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
