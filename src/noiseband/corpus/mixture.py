"""Mixtures of corpora: pieces of their splits in turn, so that every prefix has their shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from noiseband.corpus.documents import SPLITS
from noiseband.corpus.fetched_tokens import CHUNK, measure
from noiseband.corpus.origin import OriginWriter
from noiseband.corpus.pieces import Piece, document_pieces, sequence_pieces
from noiseband.corpus.token_file import Tokens, open_tokens, token_type
from noiseband.corpus.token_writer import write_pieces
from noiseband.corpus.tokens import check_pins, unigram_entropy
from noiseband.corpus.vocabulary import load_encoding
from noiseband.errors import UserError
from noiseband.io.checksums import file_sha256
from noiseband.io.files import write_json
from noiseband.study.corpora import Mixture
from noiseband.study.data_params import MixParams


@dataclass
class Part:
    """What a split of a mixture has of one corpus."""

    name: str
    weight: float
    tokens: Tokens
    """The corpus's own split, shape (n,)."""
    taken: int = 0
    """Number of tokens that were taken, those of further epochs included."""


def mix_tokens(
    params: MixParams, files: dict[str, dict[str, Path]], vocabulary: Path, out: Path
) -> None:
    """Write `train.safetensors`, `validation.safetensors`, `test.safetensors`, the origin of the
    training tokens (`train.origin.safetensors`) and `card.json`.

    The training split has `mixture.train_tokens` tokens, for which corpora are read several times
    if need be. Validation and test repeat nothing: they end where the first corpus does. The memory
    in use does not grow with the corpora, apart from 6 bytes for each piece of the origin.

    Args:
        files: the token files of each corpus by split, then by name.
        vocabulary: the rank file that all of them share.

    Raises UserError if a corpus has no piece for the training split, or no end-of-text by which its
    documents are told apart, or if a split does not have the pinned number of tokens. No card is
    written then, because the card comes last.
    """
    mixture, encoding = params.mixture, load_encoding(vocabulary)
    splits: dict[str, list[Part]] = {}
    sizes: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        parts = [
            Part(name, mixture.weights[name], open_tokens(file))
            for name, file in sorted(files[split].items())
        ]
        goal = mixture.train_tokens if split == "train" else None
        if split == "train":
            _complain_of_empty(mixture, parts, encoding.eot_token)
        origin, path = OriginWriter(), out / f"{split}.safetensors"
        taken = _taken(mixture, parts, encoding.eot_token, goal, origin)
        write_pieces(path, taken, token_type(encoding.n_vocab).itemsize)
        if split == "train":
            origin.write(path.with_suffix(".origin.safetensors"))
        splits[split] = parts
        sizes[split] = measure(open_tokens(path, compare=False), encoding, str(path))
    check_pins(params.tokens, {split: size["tokens"] for split, size in sizes.items()})
    test = open_tokens(out / "test.safetensors", compare=False)
    chunks = (test[start : start + CHUNK] for start in range(0, len(test), CHUNK))
    card = {
        "vocabulary": encoding.n_vocab,
        "vocabulary_sha256": file_sha256(vocabulary),
        "splits": sizes,
        "test_unigram_nats": unigram_entropy(chunks, encoding.n_vocab),
        "mixture": {
            "by": mixture.by,
            "splits": {split: _card(mixture, parts) for split, parts in splits.items()},
        },
    }
    write_json(out / "card.json", card)


def _pieces(mixture: Mixture, part: Part, end_of_text: int) -> Iterator[Piece]:
    """All pieces of a part, from its first."""
    if mixture.sequence_tokens is None:
        return document_pieces(part.tokens, end_of_text)
    return sequence_pieces(part.tokens, mixture.sequence_tokens)


def _taken(
    mixture: Mixture,
    parts: Sequence[Part],
    end_of_text: int,
    goal: int | None,
    origin: OriginWriter,
) -> Iterator[Tokens]:
    """The pieces of a split in order; each adds to its part's `taken`, and to the origin."""
    pieces = [partial(_pieces, mixture, part, end_of_text) for part in parts]
    weights = [part.weight for part in parts]
    for number, (begin, end) in in_shares(weights, pieces, goal):
        parts[number].taken += end - begin
        origin.add(number, end - begin)
        yield parts[number].tokens[begin:end]


def in_shares(
    weights: Sequence[float], pieces: Sequence[Callable[[], Iterator[Piece]]], goal: int | None
) -> Iterator[tuple[int, Piece]]:
    """Yield the number of a part and its next piece, so that every prefix has the parts' shares.

    The next piece is of the part whose tokens are fewest for its weight, the first of several. So a
    part is never ahead of its share of a prefix by more than its longest piece, nor behind by more
    than the longest pieces of all other parts together.

    Args:
        weights: of the parts, positive.
        pieces: a call gives all pieces of a part, from its first.
        goal: the number of tokens after which no further piece is yielded; a part that ends begins
            again. None ends before any part would begin again.
    """
    taken = [0] * len(weights)
    waiting = [of() for of in pieces]
    while goal is None or sum(taken) < goal:
        number = min(range(len(weights)), key=lambda one: taken[one] / weights[one])
        piece = next(waiting[number], None)
        if piece is None and goal is not None:
            waiting[number] = pieces[number]()
            piece = next(waiting[number], None)
        if piece is None:
            return
        taken[number] += piece[1] - piece[0]
        yield number, piece


def _complain_of_empty(mixture: Mixture, parts: Sequence[Part], end_of_text: int) -> None:
    """Raise UserError if a part has no piece, so that its share cannot be had, or no documents that
    can be told apart."""
    for part in parts:
        begin, end = next(_pieces(mixture, part, end_of_text), (0, 0))
        if mixture.by == "document" and end and int(part.tokens[end - 1]) != end_of_text:
            raise UserError(
                f"mixture.weights.{part.name}: the tokens of this corpus have no end-of-text (id "
                f"{end_of_text}), so its documents cannot be told apart; write by: sequence"
            )
        if begin == end:
            raise UserError(
                f"mixture.weights.{part.name}: the training split of this corpus has "
                f"{len(part.tokens):,} tokens, which is no whole piece; leave it out, give it more "
                "text, or lower mixture.sequence_tokens"
            )


def _card(mixture: Mixture, parts: Sequence[Part]) -> dict[str, Any]:
    total, weight = sum(part.taken for part in parts), sum(part.weight for part in parts)
    length = mixture.sequence_tokens or 1
    return {
        part.name: {
            "weight": part.weight / weight,
            "tokens": part.taken,
            "share": part.taken / total if total else 0.0,
            # What an epoch of the corpus is.
            "available": len(part.tokens) // length * length,
        }
        for part in parts
    }
