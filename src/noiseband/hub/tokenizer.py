"""Convert a rank file to byte-level BPE with merges, which `tokenizers` and `transformers` read.

A rank file lists the byte strings that are tokens; `tokenizers` also needs the pair that each
token is merged from. Merging the token's bytes with the lower ranks alone leaves that pair. No
other pair can become the token: as long as the boundaries around it survive, its bytes are merged
in the same way as when they stand alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from noiseband.corpus.vocabulary import END_OF_TEXT, load_encoding
from noiseband.errors import UserError
from noiseband.io.files import atomic, write_json

Ranks = Mapping[bytes, int]


def write_tokenizer(vocabulary: Path, context: int, out: Path) -> int:
    """Write `tokenizer.json` and `tokenizer_config.json` into `out`; return the end-of-text id.

    Text gets the same ids as with the rank file, except a literal "<|endoftext|>", which becomes
    the special token. Raises UserError if the file is not a rank file or has no merges.
    """
    encoding = load_encoding(vocabulary)
    tokenizer = _tokenizer(encoding._mergeable_ranks, str(vocabulary))
    with atomic(out / "tokenizer.json", checksum=False) as temporary:
        tokenizer.save(str(temporary))
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
    }
    write_json(out / "tokenizer_config.json", config, checksum=False)
    return encoding.eot_token


def _tokenizer(ranks: Ranks, source: str) -> Tokenizer:
    shown = byte_names()

    def name(token: bytes) -> str:
        return "".join(shown[byte] for byte in token)

    ordered = sorted(ranks, key=lambda token: ranks[token])
    vocabulary = {name(token): ranks[token] for token in ordered} | {END_OF_TEXT: len(ranks)}
    merges = []
    for token in ordered:
        if len(token) > 1:
            pair = merged_from(token, ranks)
            if len(pair) != 2:
                raise UserError(
                    f"{source}: no two tokens before rank {ranks[token]} merge to {token!r}; "
                    "it is not a byte-pair vocabulary: remove it and rebuild it"
                )
            merges.append((name(pair[0]), name(pair[1])))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    # This splits text with GPT-2's pattern, as `corpus.vocabulary.PATTERN` does.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
    return tokenizer


def merged_from(token: bytes, ranks: Ranks) -> list[bytes]:
    """The pieces that a token of several bytes is merged from; two in a byte-pair vocabulary."""
    pieces, limit = [bytes([byte]) for byte in token], ranks[token]
    while len(pieces) > 1:
        candidates = [ranks.get(a + b, limit) for a, b in pairwise(pieces)]
        lowest = min(candidates)
        if lowest >= limit:
            break
        place = candidates.index(lowest)
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
    return pieces


def byte_names() -> list[str]:
    """The printable character that stands for each byte in GPT-2's vocabulary files.

    A byte that is printable in Latin-1 stands for itself. Any other byte, and the soft hyphen,
    gets the next free character from U+0100 on.
    """
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    free = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printed else chr(next(free)) for byte in range(256)]
