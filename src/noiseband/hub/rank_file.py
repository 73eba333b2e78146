"""Convert a byte-level BPE of `tokenizers` to a rank file: the reverse of `hub/tokenizer.py`.

A rank file has the 256 bytes and what merges of them make, and noiseband splits text by GPT-2's
pattern before it merges. A tokenizer that does anything else is refused. Ids may be in any order:
special tokens often come first. In the rank file they are the ranks, with end-of-text last.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseband.corpus.byte_names import byte_names
from noiseband.corpus.vocabulary import END_OF_TEXT
from noiseband.errors import UserError
from noiseband.hub.tokenizer import merged_from

TOKENIZER, CONFIG = "tokenizer.json", "tokenizer_config.json"
WITHOUT: dict[str, tuple[Any, ...]] = {
    "dropout": (None, 0, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False),
}
"""Options of the BPE that a rank file cannot express, with the values that turn them off."""
RETRAIN = (
    "fine-tuning reads byte-level BPE that splits text as GPT-2's does; train the tokenizer with "
    "pre_tokenizers.ByteLevel(add_prefix_space=False), or fine-tune in the command"
)
"""The remedy for a tokenizer of another kind."""


@dataclass(frozen=True)
class RankFile:
    """A tokenizer as a rank file."""

    lines: bytes
    """Content of the file."""
    ids: list[int]
    """The tokenizer's id of each rank, and last that of end-of-text. Other special tokens, which no
    text has, are not in it."""


def read_tokenizer(folder: Path) -> RankFile:
    """Convert the `tokenizer.json` in a folder. Text gets the same tokens, with other ids.

    End-of-text is the `eos_token` of `tokenizer_config.json`, or else "<|endoftext|>". Raises
    UserError if there is no such file, or a rank file cannot express the tokenizer.
    """
    path = folder / TOKENIZER
    whole = _json(path)
    try:
        return _converted(whole, _end(folder), path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise UserError(f"{path}: not a file of the library tokenizers ({said})") from None


def _converted(whole: Mapping[str, Any], end: str, path: Path) -> RankFile:
    _check_kind(whole, path)
    model = whole["model"]
    vocabulary, byte_of = model["vocab"], {n: bytes([b]) for b, n in enumerate(byte_names())}
    if missing := sum(name not in vocabulary for name in byte_of):
        raise UserError(
            f"{path}: {missing} of the 256 bytes have no token, so some text has no tokens; train "
            "it with initial_alphabet=pre_tokenizers.ByteLevel.alphabet()"
        )

    def spelled(name: str) -> bytes:
        return b"".join(byte_of[character] for character in name)

    listed = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    merges = [(spelled(one), spelled(two)) for one, two in listed]
    names = sorted(byte_of, key=vocabulary.__getitem__) + [one + two for one, two in listed]
    ranks = {spelled(name): rank for rank, name in enumerate(names)}
    # Ranks alone give the same merges if each token is what its pair is merged from.
    if len(ranks) < len(names) or any(
        merged_from(one + two, ranks) != [one, two] for one, two in merges
    ):
        raise UserError(f"{path}: model.merges are not what training of BPE makes; {RETRAIN}")
    special = {one["content"]: one["id"] for one in whole.get("added_tokens", [])}
    last = special.get(end, vocabulary.get(end))
    if last is None:
        raise UserError(
            f"{path}: has no token {end}, which ends each answer; add one as a special token, and "
            f"name it as eos_token in {CONFIG}"
        )
    lines = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())
    return RankFile(lines, [*(vocabulary[name] for name in names), last])


def _check_kind(whole: Mapping[str, Any], path: Path) -> None:
    """Raise UserError unless the tokenizer is byte-level BPE with GPT-2's pattern and no more."""
    model, split = whole["model"], whole.get("pre_tokenizer") or {}
    if model.get("type", "BPE") != "BPE":
        raise UserError(f"{path}: model.type is {model['type']}, not BPE; {RETRAIN}")
    for key, values in WITHOUT.items():
        if model.get(key) not in values:
            raise UserError(f"{path}: model.{key} is {json.dumps(model[key])}; {RETRAIN}")
    plain = split.get("use_regex", True) and not split.get("add_prefix_space", True)
    if split.get("type") != "ByteLevel" or not plain:
        raise UserError(f"{path}: pre_tokenizer is {json.dumps(split)}; {RETRAIN}")
    if whole.get("normalizer") is not None:
        kind = whole["normalizer"]["type"]
        raise UserError(f"{path}: normalizer is {kind}, which changes the text; {RETRAIN}")
    after = whole.get("post_processor") or {"type": "ByteLevel"}
    if after["type"] != "ByteLevel" and not _adds_nothing(after):
        raise UserError(
            f"{path}: post_processor is {after['type']}, which adds tokens to a text; {RETRAIN}"
        )
    for one in whole.get("added_tokens", []):
        if not one["special"]:
            raise UserError(
                f"{path}: the added token {json.dumps(one['content'])} is not special, so that "
                f"text is split around it; {RETRAIN}"
            )


def _adds_nothing(processor: Mapping[str, Any]) -> bool:
    """Whether it is a template with the text alone, as `transformers` writes."""
    template = processor.get("single", [])
    return processor["type"] == "TemplateProcessing" and [*map(list, template)] == [["Sequence"]]


def _end(folder: Path) -> str:
    """The text of the token that ends a text."""
    if not (folder / CONFIG).exists():
        return END_OF_TEXT
    found = _json(folder / CONFIG).get("eos_token") or END_OF_TEXT
    return str(found["content"] if isinstance(found, dict) else found)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror or error}; have the command save the tokenizer with the "
            "model, by tokenizer.save_pretrained"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: not an object")
    return found
