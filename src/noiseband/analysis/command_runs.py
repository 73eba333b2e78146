"""What the tables say about a run that a command made, from its `result.json` and its trace."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from noiseband.analysis.rows import RunRow
from noiseband.analysis.sources import json_file
from noiseband.analysis.traces import final_loss, read_trace
from noiseband.io.checksums import file_sha256, intact
from noiseband.study.command_params import DIGESTS, RESULT, SAMPLES, TRACE
from noiseband.study.section import canonical_json, written


def by_command(folder: Path) -> bool:
    """Whether a command made the run in a folder."""
    return (folder / RESULT).exists()


def command_row(folder: Path, card: dict[str, Any], volatile: Collection[str] = ()) -> RunRow:
    """The run in a folder, without value, improvement and residual.

    Args:
        card: content of its `recipe.json`.
        volatile: metrics that may differ between reruns.

    Raises:
        UserError: a file is missing or damaged.
    """
    result = json_file(folder / RESULT)
    trace = read_trace(folder / TRACE) if (folder / TRACE).exists() else None
    seeds = card["seeds"]
    reads_data_seed = "data_seed" in card["recipe"]
    return RunRow(
        run=card["run"],
        intervention=card["intervention"],
        interventions=tuple(card["interventions"]),
        init_seed=seeds["init_seed"],
        data_seed=seeds["data_seed"] if reads_data_seed else None,
        train_seed=seeds["train_seed"],
        repeat_of=card["repeat_of"],
        continues=None,
        value=None,
        improvement=None,
        bits_per_byte=None,
        final_train_loss=None if trace is None else final_loss(trace),
        steps=result["steps"] or (None if trace is None else trace.steps),
        tokens=result["tokens"],
        clipped_steps=None,
        skipped_steps=None,
        weights_sha256=identity(folder, volatile, card["digest"]),
        recipe_sha256=card["digest"],
        changes=tuple(f"{key}={written(new)}" for key, (_, new) in card["difference"].items()),
        residual=None,
    )


def identity(folder: Path, volatile: Collection[str] = (), recipe: str = "") -> str:
    """The digest of what a run ended with, by which equal runs are recognised.

    SHA-256 of the weights or, if the trainer declares none, of the metrics that are not volatile,
    the trace and the samples, as far as there are any. With metrics alone, which two runs may share
    by chance, the digest of the `recipe` and its seeds is a part of it. Raises UserError if a file
    is damaged.
    """
    if (folder / DIGESTS).exists():
        return str(json_file(folder / DIGESTS)["sha256"])
    metrics = json_file(folder / RESULT)["metrics"]
    whole: dict[str, Any] = {
        name: file_sha256(intact(folder / name))
        for name in (TRACE, SAMPLES)
        if (folder / name).exists()
    }
    if not whole:
        whole["recipe"] = recipe
    whole["metrics"] = {name: one for name, one in metrics.items() if name not in volatile}
    return hashlib.sha256(canonical_json(whole).encode()).hexdigest()
