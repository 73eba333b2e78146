"""The text that the models read, and what its words alone would give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseband.report.sources import json_file, json_if_any


@dataclass(frozen=True)
class Corpus:
    """A corpus as its cards describe it."""

    name: str
    sources: list[dict[str, Any]]
    splits: dict[str, dict[str, int]]
    """Split to its documents, bytes and tokens."""
    vocabulary: int
    unigram: float
    """Cross-entropy of the test split under its own token frequencies, nats."""
    gain: float | None
    """How far below that the baseline run ends, nats; None if it reads another corpus."""


def corpus(results: Path, name: str, baseline: str, loss: float | None) -> Corpus | None:
    """A corpus of the study; None if its cards are not there."""
    card = json_if_any(results / "corpus" / name / "card.json")
    tokens = json_if_any(results / "tokens" / name / "card.json")
    if card is None or tokens is None:
        return None
    recipe = json_file(results / "runs" / baseline / "recipe.json")["recipe"]
    unigram = tokens["test_unigram_nats"]
    compared = loss is not None and recipe["data"]["corpus"] == name
    return Corpus(
        name=name,
        sources=card["sources"],
        splits=tokens["splits"],
        vocabulary=tokens["vocabulary"],
        unigram=unigram,
        gain=unigram - loss if compared and loss is not None else None,
    )
