"""Table rows on fine-tuning noise: the scatter over seeds, and pairs of twins and repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from noiseband.analysis.inference import shared_recipe
from noiseband.analysis.rows import RunRow
from noiseband.analysis.tuning_rows import FinetuningRow, TuningNoiseRow, TwinRow
from noiseband.stats.simultaneous import Estimate
from noiseband.stats.tuning import differences, tuning_noise

MEASURES = {"judge score": "score", "validation loss": "validation_loss"}
"""The measures that are compared, with the field of a `FinetuningRow` for each. Validation losses
are in nats per token, so runs are compared by them only if tokens of all runs are alike."""

Values = dict[str, dict[int, float]]


def tuning_noise_rows(
    models: Sequence[FinetuningRow], runs: Sequence[RunRow], alpha: float, per_token: bool = True
) -> list[TuningNoiseRow]:
    """A row for each protocol and measure. Runs with the same weights count once.

    `per_token` says whether losses per token can be compared, which those of different vocabularies
    cannot; otherwise the judge's score is the only measure.
    """
    rows = []
    for protocol, measure, values in _measured(models, per_token):
        noise = tuning_noise(_distinct(values, runs), alpha)
        rows.append(TuningNoiseRow(protocol=protocol, measure=measure, **vars(noise)))
    return rows


def twin_rows(
    models: Sequence[FinetuningRow], runs: Sequence[RunRow], alpha: float, per_token: bool = True
) -> list[TwinRow]:
    """A row for each protocol, measure and fine-tuned run that has the recipe of an earlier run.

    The intervals of one protocol and measure hold for all pairs at once. They come from the scatter
    of all runs, so `per_token` is as in `tuning_noise_rows`.
    """
    rows = []
    for protocol, measure, values in _measured(models, per_token):
        distinct = _distinct(values, runs)
        pairs = _pairs([row for row in runs if row.run in values])
        tested = [(one.run, two.run) for one, two in pairs if two.run in distinct]
        found = differences(distinct, tested, alpha) if tested else []
        estimate = dict(zip(tested, found, strict=True))
        for one, two in pairs:
            both = sorted(values[one.run].keys() & values[two.run].keys())
            by_seed = [values[two.run][seed] - values[one.run][seed] for seed in both]
            tests = estimate.get((one.run, two.run))
            rows.append(_twin_row(protocol, measure, (one, two), by_seed, tests, alpha))
    return rows


def _twin_row(
    protocol: str,
    measure: str,
    pair: tuple[RunRow, RunRow],
    by_seed: Sequence[float],
    estimate: Estimate | None,
    alpha: float,
) -> TwinRow:
    one, two = pair
    if not by_seed:
        estimate, finding = Estimate(), "not enough seeds"
    elif estimate is None:
        estimate = Estimate(fmean(by_seed))
        finding = "same weights, other outcome" if any(by_seed) else "identical"
    elif estimate.p_value is None:
        finding = "not enough seeds"
    elif estimate.p_value < alpha:
        finding = "more than fine-tuning noise"
    else:
        finding = "within fine-tuning noise"
    return TwinRow(
        protocol=protocol,
        measure=measure,
        run=two.run,
        compared_with=one.run,
        kind="repeat" if two.repeat_of else "twin",
        seeds=len(by_seed),
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
        finding=finding,
    )


def _measured(
    models: Sequence[FinetuningRow], per_token: bool
) -> Iterator[tuple[str, str, Values]]:
    """Yield each protocol and measure with its values by run and seed, without missing ones."""
    for protocol in dict.fromkeys(row.protocol for row in models):
        for measure, column in MEASURES.items():
            if column == "validation_loss" and not per_token:
                continue
            values: Values = {}
            for row in models:
                value = getattr(row, column)
                if row.protocol == protocol and value is not None:
                    values.setdefault(row.run, {})[row.seed] = value
            yield protocol, measure, values


def _pairs(runs: Sequence[RunRow]) -> list[tuple[RunRow, RunRow]]:
    """Pair each run with the first earlier run of the same recipe and weights, or else of the same
    recipe. Runs whose recipe no earlier run has are left out."""
    first: dict[object, RunRow] = {}
    pairs = []
    for row in runs:
        recipe = shared_recipe(row)
        of_recipe = first.setdefault(recipe, row)
        of_weights = first.setdefault((recipe, row.weights_sha256), row)
        original = of_recipe if of_weights is row else of_weights
        if original is not row:
            pairs.append((original, row))
    return pairs


def _distinct(values: Values, runs: Sequence[RunRow]) -> Values:
    """Leave out the values of runs that have the same weights as an earlier run: they add no
    evidence."""
    first: dict[str, str] = {}
    for row in runs:
        if row.run in values:
            first.setdefault(row.weights_sha256, row.run)
    again = {row.run for row in runs if first.get(row.weights_sha256, row.run) != row.run}
    return {run: seeds for run, seeds in values.items() if run not in again}
