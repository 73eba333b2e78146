"""Pretrained models: their rows, and how much of the gap to them the study's changes close."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from noiseband.analysis.inference import usable
from noiseband.analysis.rows import GapRow, PretrainedRow, RunRow, VerdictRow
from noiseband.analysis.sources import json_file
from noiseband.stats.gap import gap_closed
from noiseband.stats.least_squares import BASELINE
from noiseband.study.paths import Paths


def pretrained_rows(
    results: Path, names: Sequence[str], baseline: float | None
) -> list[PretrainedRow]:
    """A row for each name, in that order. Improvements are relative to the loss `baseline`."""
    rows = []
    for name in names:
        folder = Paths(results).run(name)
        card, evaluation = (
            json_file(folder / "pretrained.json"),
            json_file(folder / "test_loss.json"),
        )
        loss = evaluation["test_loss"]
        rows.append(
            PretrainedRow(
                model=name,
                repo=card["repo"],
                revision=card["revision"],
                file_sha256=card["sha256"],
                weights_sha256=json_file(folder / "model.json")["sha256"],
                parameters=card["parameters"],
                context=card["context"],
                test_loss=loss,
                improvement=None if baseline is None else baseline - loss,
                bits_per_byte=evaluation["bits_per_byte"],
            )
        )
    return rows


def gap_rows(
    pretrained: Sequence[PretrainedRow], runs: Sequence[RunRow], verdicts: Sequence[VerdictRow]
) -> list[GapRow]:
    """How much of the gap to each pretrained model each intervention with an effect closes.

    The gap starts at the mean of the baseline's runs, and the effect is that of the verdict. The
    interval is that of the effect; the gap itself is taken as known. A model that is no better than
    the baseline has no rows.
    """
    losses = [row.test_loss for row in usable(runs) if row.intervention == BASELINE]
    if not losses:
        return []
    mean = fmean(loss for loss in losses if loss is not None)
    return [
        GapRow(
            reference=reference.model,
            intervention=row.intervention,
            baseline_loss=mean,
            reference_loss=reference.test_loss,
            share=gap_closed(mean, mean + row.effect, reference.test_loss),
            low=_share(mean, row.high, reference.test_loss),
            high=_share(mean, row.low, reference.test_loss),
        )
        for reference in pretrained
        if reference.test_loss < mean
        for row in verdicts
        if row.effect is not None
    ]


def _share(baseline: float, effect: float | None, reference: float) -> float | None:
    return None if effect is None else gap_closed(baseline, baseline + effect, reference)
