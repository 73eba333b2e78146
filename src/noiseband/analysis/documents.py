"""Two questions about the test set: do two models differ, and does the recipe help on other texts?

The mathematics is in `stats/documents.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from noiseband.analysis import inference
from noiseband.analysis.rows import DocumentsRow, RunRow, VerdictRow
from noiseband.evaluate.documents import AnyDocument, DocumentBits, DocumentLoss
from noiseband.io.tables import read_rows
from noiseband.stats.documents import Sampling, both, models_differ, recipes_differ, tokens_needed
from noiseband.stats.least_squares import BASELINE, Floats
from noiseband.stats.verdicts import call, unless_lost
from noiseband.study.paths import Paths

Losses = Mapping[str, Floats]
"""By run: the sum of losses of each document in nats or bits, shape (documents,)."""


def document_rows(
    runs: Sequence[RunRow],
    verdicts: Sequence[VerdictRow],
    results: Path,
    alpha: float,
    margin: float | None = None,
) -> list[DocumentsRow]:
    """A row for each verdict whose runs were measured on the same documents as the baseline.

    Runs without losses of documents, and runs on other documents than the baseline's first run, are
    left out; so is everything if there are fewer than two documents. The intervals of each of the
    two questions hold for all rows at once.
    """
    used = inference.usable(runs)
    tokens, losses = _same_documents(used, results)
    if len(tokens) < 2:
        return []
    arms: dict[str, list[RunRow]] = {}
    for row in used:
        if row.run in losses:
            arms.setdefault(row.intervention, []).append(row)
    baseline = arms.pop(BASELINE)
    judged = [row for row in verdicts if row.intervention in arms]
    comparison = _Comparison(baseline, losses, tokens, alpha, len(judged), margin)
    return [comparison.row(verdict, arms[verdict.intervention]) for verdict in judged]


@dataclass(frozen=True)
class _Comparison:
    """What all rows share."""

    baseline: Sequence[RunRow]
    losses: Losses
    tokens: Floats
    alpha: float
    family: int
    margin: float | None

    def row(self, verdict: VerdictRow, arm: Sequence[RunRow]) -> DocumentsRow:
        run, other = next(iter(self._pairs(arm)), (arm[0], self.baseline[0]))
        models = models_differ(self.losses[run.run] - self.losses[other.run], self.tokens)
        half_width, value = float(models.half_width(self.alpha, self.family)), float(models.value)
        texts = self._texts(arm)
        low, high, needed = self._over_both(
            verdict, float(texts.half_width(self.alpha, self.family))
        )
        said = verdict.verdict if low is None else call(low, high, self.margin)
        return DocumentsRow(
            intervention=verdict.intervention,
            run=run.run,
            compared_with=other.run,
            difference=value,
            difference_se=float(models.variance) ** 0.5,
            difference_low=value - half_width,
            difference_high=value + half_width,
            effect=verdict.effect,
            texts_se=float(texts.variance) ** 0.5,
            low=low,
            high=high,
            verdict=unless_lost(said, verdict.runs_without_value),
            documents=len(self.tokens),
            tokens=int(self.tokens.sum()),
            tokens_needed=needed,
        )

    def _over_both(
        self, verdict: VerdictRow, texts: float
    ) -> tuple[float | None, float | None, int | None]:
        """The interval over seeds and documents, and the tokens needed; None if the study cannot
        say how far seeds scatter. `texts` is half the width over documents."""
        seeds = verdict.smallest_visible
        if not seeds or verdict.effect is None:
            return None, None, None
        half_width = both(seeds, texts)
        needed = tokens_needed(seeds, texts, int(self.tokens.sum()))
        return verdict.effect - half_width, verdict.effect + half_width, needed

    def _pairs(self, arm: Sequence[RunRow]) -> list[tuple[RunRow, RunRow]]:
        """Each run of an arm that shares all seeds with one of the baseline, and that one."""
        found = {row.seeds: row for row in reversed(self.baseline)}
        return [(row, found[row.seeds]) for row in arm if row.seeds in found]

    def _texts(self, arm: Sequence[RunRow]) -> Sampling:
        """The effect over documents: paired if the baseline has all seeds of the arm."""
        pairs = self._pairs(arm)
        if len(pairs) == len(arm):
            differences = [self.losses[one.run] - self.losses[other.run] for one, other in pairs]
            return recipes_differ([np.array(differences)], self.tokens)
        arms = [np.array([self.losses[row.run] for row in rows]) for rows in (arm, self.baseline)]
        return recipes_differ(arms, self.tokens)


def _same_documents(runs: Sequence[RunRow], results: Path) -> tuple[Floats, Losses]:
    """The size of each document of the baseline's first run, in tokens or bytes, and the losses of
    all runs that were measured on the same documents."""
    rows = {row.run: _read(Paths(results).documents(row.run)) for row in runs}
    first = next((rows[row.run] for row in runs if row.intervention == BASELINE), [])
    documents = _documents(first)
    losses = {
        run: np.array([row.total for row in own])
        for run, own in rows.items()
        if own and _documents(own) == documents
    }
    return np.array([tokens for _, tokens in documents], np.float64), losses


def _read(path: Path) -> Sequence[AnyDocument]:
    if not path.exists():
        return []
    with open(path, encoding="utf-8") as file:
        in_bits = "bytes" in file.readline()
    return read_rows(path, DocumentBits) if in_bits else read_rows(path, DocumentLoss)


def _documents(rows: Sequence[AnyDocument]) -> list[tuple[int, int]]:
    return [(row.document, row.size) for row in rows]
