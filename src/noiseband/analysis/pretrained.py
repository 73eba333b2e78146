"""Pretrained models: their rows, and how much of the gap to them the study's changes close."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from noiseband.analysis.rows import GapRow, PretrainedRow
from noiseband.analysis.sources import json_file
from noiseband.stats.gap import shares
from noiseband.stats.verdicts import Assessment
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
                bits_per_byte=evaluation.get("bits_per_byte"),
            )
        )
    return rows


def gap_rows(
    pretrained: Sequence[PretrainedRow], study: Assessment | None, alpha: float
) -> list[GapRow]:
    """How much of the gap to each pretrained model each intervention with an effect closes.

    The intervals of one model hold for all interventions at once. A model that is no better than
    the baseline has no rows.
    """
    if study is None:
        return []
    return [
        GapRow(
            reference=reference.model,
            intervention=one.intervention,
            baseline_loss=one.baseline,
            reference_loss=reference.test_loss,
            share=one.share,
            low=one.low,
            high=one.high,
            no_interval=one.no_interval,
        )
        for reference in pretrained
        for one in shares(study, reference.test_loss, alpha)
    ]
