"""The corpora, and the loss that their token frequencies alone would give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseband.analysis.sources import json_file, json_if_any
from noiseband.study.paths import Paths


@dataclass(frozen=True)
class Origin:
    """Where documents or tokens of a corpus come from."""

    name: str
    """Name of a package or of a data set on the Hub."""
    version: str
    """Its version or revision."""
    note: str
    """Its licence, or an empty text if that is unknown."""
    documents: int | None
    """None for a part of a mixture, whose own table has them."""
    sha256: str | None
    """SHA-256 of its text; None for tokens."""
    files: dict[str, str]
    """SHA-256 by file."""


@dataclass(frozen=True)
class Corpus:
    """A corpus as its cards describe it."""

    name: str
    sources: list[Origin]
    card: str
    """Path of the card with the sources, under the results folder."""
    splits: dict[str, dict[str, int]]
    """Numbers of documents, bytes and tokens by split."""
    disjoint: bool
    """Whether equal texts were left out, so that no two splits share a document."""
    vocabulary: int
    unigram: float
    """Cross-entropy of the test split under its own token frequencies, in the test loss's unit."""
    gain: float | None
    """`unigram` minus the baseline run's test loss; None if that is of another corpus."""


def corpus(
    results: Path,
    name: str,
    baseline: str,
    loss: float | None,
    unit: str = "nats",
    measured_on: str | None = None,
) -> Corpus | None:
    """A corpus of the study; None if its cards are not there.

    `unit` is that of the test loss, and `measured_on` the corpus on which it was measured; None
    means the baseline's own.
    """
    text, of_tokens = f"corpus/{name}/card.json", f"tokens/{name}/card.json"
    tokens = json_if_any(results / of_tokens)
    if tokens is None:
        return None
    # Imported tokens have no card for their text; their own card names the sources, as that of a
    # mixture names its corpora.
    path = of_tokens if {"sources", "mixture"} & tokens.keys() else text
    card = json_if_any(results / path)
    if card is None:
        return None
    recipe = json_file(Paths(results).run(baseline) / "recipe.json")["recipe"]
    unigram = tokens["test_unigram_nats"]
    if unit != "nats":
        test = tokens["splits"]["test"]
        unigram *= test["tokens"] / test["bytes"] / math.log(2)
    compared = loss is not None and name == (measured_on or recipe["data"]["corpus"])
    return Corpus(
        name=name,
        sources=_mixed(card["mixture"]) if "mixture" in card else _origins(card),
        card=path,
        splits=tokens["splits"],
        disjoint=path == text and "order" not in card,
        vocabulary=tokens["vocabulary"],
        unigram=unigram,
        gain=unigram - loss if compared and loss is not None else None,
    )


def _mixed(mixture: dict[str, Any]) -> list[Origin]:
    """The corpora of a mixture, with what its training split has of them."""
    return [
        Origin(
            name=name,
            version="",
            note=f"{part['share']:.1%} of the training tokens ({part['weight']:.1%} wanted)",
            documents=None,
            sha256=None,
            files={},
        )
        for name, part in mixture["splits"]["train"].items()
    ]


def _origins(card: dict[str, Any]) -> list[Origin]:
    return [_origin(source) for source in card["sources"]]


def _origin(source: dict[str, Any]) -> Origin:
    if "package" in source:
        name, version = source["package"], source["version"]
    elif "dataset" in source:
        place = source["dataset"] or "a folder of one’s own"
        name = ": ".join(filter(None, (place, source["config"], source["split"])))
        version = source["revision"]
    else:
        name, version = source["repo"] or "files of one’s own", source["revision"]
    return Origin(
        name=name,
        version=version or "",
        note=source.get("licence", ""),
        documents=source["documents"],
        sha256=source.get("sha256"),
        files=source.get("files", {}),
    )
