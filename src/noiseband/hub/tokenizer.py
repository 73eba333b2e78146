"""Write the tokenizer of an exported model, which `tokenizers` and `transformers` read.

A tokenizer of the user's own is written as it is. A rank file is converted to byte-level BPE with
merges.

A rank file lists the byte strings that are tokens; `tokenizers` also needs the pair that each
token is merged from. Merging the token's bytes with the lower ranks alone leaves that pair. No
other pair can become the token: as long as the boundaries around it survive, its bytes are merged
in the same way as when they stand alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from tiktoken import Encoding
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from noiseband.corpus.byte_names import byte_names
from noiseband.corpus.own_tokenizers import OwnEncoding
from noiseband.corpus.vocabulary import END_OF_TEXT, load_encoding
from noiseband.errors import UserError
from noiseband.io.files import atomic, write_json

Ranks = Mapping[bytes, int]
SENTENCEPIECE = ("tokenizer.model", "spiece.model")
"""The files of a SentencePiece model, instead of `tokenizer.json`."""


def write_tokenizer(vocabulary: Path, context: int, out: Path) -> int:
    """Write `tokenizer.json` and `tokenizer_config.json` into `out`; return the end-of-text id.

    Text gets the same ids as with the rank file, except a literal "<|endoftext|>", which becomes
    the special token. See `_write_own` for a tokenizer of the user's own. Raises UserError if the
    file is not a vocabulary, or is a rank file without merges.
    """
    encoding = load_encoding(vocabulary)
    if isinstance(encoding, OwnEncoding):
        _write_own(encoding, context, out)
        return encoding.eot_token
    assert isinstance(encoding, Encoding)
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


def _write_own(own: OwnEncoding, context: int, out: Path) -> None:
    """Write a tokenizer of the user's own and how `transformers` reads it.

    A `tokenizer.json` is the user's file. A SentencePiece model is `tokenizer.model`, and again
    `spiece.model`, the name under which `transformers` finds it: of its tokenizers that call the
    library sentencepiece itself, so that ids are the same, BertGenerationTokenizer adds nothing of
    its own. In both, text that looks like a special token is text, as in the study.
    """
    end = own.end_of_text
    config = {
        "bos_token": end,
        "eos_token": end,
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
    }
    names: tuple[str, ...]
    if own.kept.format == "sentencepiece":
        names = SENTENCEPIECE
        unknown = {"pad_token": end, "sep_token": end, "unk_token": own.unknown}
        config |= {"tokenizer_class": "BertGenerationTokenizer", **unknown}
    else:
        names = ("tokenizer.json",)
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    for name in names:
        with atomic(out / name, checksum=False) as temporary:
            temporary.write_bytes(own.kept.content)
    write_json(out / "tokenizer_config.json", config, checksum=False)


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
