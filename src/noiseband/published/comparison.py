"""Compare the study's losses with the published ones: do machines explain the differences?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from scipy import stats

from noiseband.analysis.inference import has_value
from noiseband.analysis.rows import PretrainedRow, RunRow
from noiseband.analysis.sources import json_file, loss_file
from noiseband.io.tables import read_rows, write_rows
from noiseband.published import data
from noiseband.published.losses import machine_noise
from noiseband.stats.machines import between_machines
from noiseband.stats.noise import NoiseComponent
from noiseband.study.paths import Paths
from noiseband.study.table_params import TablesParams

MISSING = "missing"
OTHER_SIZE = "another size, not compared"
APPROXIMATE = "approximate recipe"
PRETRAINED = "same weights, measured anew"
WITHIN = "within what machines change"
BEYOND = "more than machines change"


@dataclass(frozen=True)
class ComparisonRow:
    """A published run compared with this study's run of the same name. Losses are in nats."""

    run: str
    machine: str
    """Machine that the series used; empty for a pretrained model."""
    part: str
    """Part of the series."""
    published_loss: float
    test_loss: float | None
    """This study's loss; None if it has no such run or the run has no finite loss."""
    difference: float | None
    """This study's loss minus the published one; None if the two are not comparable."""
    low: float | None
    """Lower end of its interval, for the noise of machines alone and for all runs at once."""
    high: float | None
    p_value: float | None
    """Probability of such a difference if only machines differ, adjusted for all runs."""
    finding: str


def write_comparison(params: TablesParams, results: Path) -> None:
    """Write `tables/published.csv` from `runs.csv` and `pretrained.csv`, if the study asks for it.

    Raises UserError for a missing table, test loss or recipe.
    """
    if not params.published:
        return
    tables = Paths(results).tables
    runs = read_rows(tables / "runs.csv", RunRow)
    pretrained = read_rows(tables / "pretrained.csv", PretrainedRow)
    rows = comparison_rows(params, results, runs, pretrained)
    write_rows(tables / "published.csv", ComparisonRow, rows)


def comparison_rows(
    params: TablesParams,
    results: Path,
    runs: Sequence[RunRow],
    pretrained: Sequence[PretrainedRow],
) -> list[ComparisonRow]:
    """A row for each run of the series, in its order.

    The series' twins show how much one recipe scatters over machines, and a run and its published
    namesake are two such draws. Runs with an approximate recipe and pretrained models have a
    difference but no interval; those of another size than the series' have neither.
    """
    ours: dict[str, RunRow | PretrainedRow] = {row.run: row for row in runs if has_value(row)}
    ours |= {row.model: row for row in pretrained}
    rows = [
        _row(one, ours.get(one.run), params, Paths(results).run(one.run)) for one in data.runs()
    ]
    noise = _machine_noise()
    compared = [row for row in rows if row.finding == WITHIN and row.difference is not None]
    found = between_machines(
        [row.difference for row in compared if row.difference is not None],
        noise.sd or 0.0,
        noise.degrees_of_freedom,
        params.alpha,
    )
    tested = {
        row.run: replace(
            row,
            low=one.low,
            high=one.high,
            p_value=one.p_value,
            finding=BEYOND if one.p_value is not None and one.p_value < params.alpha else WITHIN,
        )
        for row, one in zip(compared, found, strict=True)
    }
    return [tested.get(row.run, row) for row in rows]


def _machine_noise() -> NoiseComponent:
    noise = machine_noise()
    assert noise is not None  # the series has twins
    return noise


def _row(
    one: data.PublishedRun,
    own: RunRow | PretrainedRow | None,
    params: TablesParams,
    folder: Path,
) -> ComparisonRow:
    """Compare one run; its finding is `WITHIN`, for now, if it can have an interval."""
    finding = WITHIN
    if own is None:
        finding = MISSING
    elif not _of_its_size(own, folder):
        finding = OTHER_SIZE
    elif isinstance(own, PretrainedRow):
        finding = PRETRAINED
    elif one.run in params.approximate:
        finding = APPROXIMATE
    loss = _loss(own)
    comparable = loss is not None and finding != OTHER_SIZE
    return ComparisonRow(
        run=one.run,
        machine=one.machine,
        part=one.part,
        published_loss=one.test_loss,
        test_loss=loss,
        difference=loss - one.test_loss if comparable and loss is not None else None,
        low=None,
        high=None,
        p_value=None,
        finding=finding,
    )


def _of_its_size(own: RunRow | PretrainedRow, folder: Path) -> bool:
    """Whether model, training and test window have the series' sizes."""
    if loss_file(folder / "test_loss.json").get("tokens") != data.TEST_TOKENS:
        return False
    if isinstance(own, PretrainedRow):
        return own.context == data.MODEL["context"]
    recipe = json_file(folder / "recipe.json")["recipe"]
    model = {key: recipe["model"][key] for key in data.MODEL}
    return model == data.MODEL and recipe["data"]["train_tokens"] == data.TRAIN_TOKENS


@dataclass(frozen=True)
class Summary:
    """A summary of the rows that have an interval. Losses are in nats."""

    compared: int
    beyond: list[str]
    """Runs that differ by more than machines change."""
    machine_sd: float
    """SD of the published twins over machines."""
    degrees_of_freedom: int
    widest: float
    """How far a run and its namesake may differ from machines alone, for all runs at once."""
    mean_difference: float
    order: float | None
    """Kendall's tau between the published losses and this study's; 1 is the same order. None for
    fewer than three runs, or if all losses are equal."""


def _loss(own: RunRow | PretrainedRow | None) -> float | None:
    """The test loss, which is the primary metric of a study that is compared with the series."""
    if isinstance(own, PretrainedRow):
        return own.test_loss
    return None if own is None else own.value


def summary(rows: Sequence[ComparisonRow]) -> Summary | None:
    """Summarise all rows that were compared; None if there are none."""
    tested = [row for row in rows if row.finding in (WITHIN, BEYOND)]
    if not tested:
        return None
    noise = _machine_noise()
    tau = stats.kendalltau(
        [row.published_loss for row in tested], [row.test_loss for row in tested]
    ).statistic
    return Summary(
        compared=len(tested),
        beyond=[row.run for row in tested if row.finding == BEYOND],
        machine_sd=noise.sd or 0.0,
        degrees_of_freedom=noise.degrees_of_freedom,
        widest=max((row.high or 0.0) - (row.difference or 0.0) for row in tested),
        mean_difference=fmean(row.difference for row in tested if row.difference is not None),
        order=float(tau) if len(tested) > 2 and math.isfinite(tau) else None,
    )
