"""Test the intervals over documents on simulated test sets: coverage and width.

python -m benchmarks.test_sets                  # 10,000 pairs and 4,000 studies of each kind
python -m benchmarks.test_sets --studies 500    # faster

*Do these two models differ?* The documents of a test set have log-normal lengths around a median of
150 tokens. A document's difference per token scatters either as a mean over independent tokens
does, or as much for long documents as for short ones, and it may be correlated with the length.

*Does the recipe help?* Studies of several arms on the same seeds: the loss of a run on a document
is the sum of the document's difficulty, its liking for the recipe, the seed, the run and the chance
with which this run does better or worse on this document. All are drawn from fixed seeds.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.calibration import ALPHA, NOISES, generator, two_errors
from benchmarks.many_studies import Studies, complete
from benchmarks.side_by_side import table
from noiseband.stats.documents import Sampling, both, models_differ, recipes_differ
from noiseband.stats.least_squares import BASELINE, Floats
from noiseband.stats.maxt import critical_value

MEDIAN = 150
"""Tokens of a document."""
CHUNK = 2**23
"""Losses that are drawn together."""


@dataclass(frozen=True)
class Texts:
    """A kind of test set, and how its documents scatter."""

    documents: int
    spread: float
    """SD of the logarithm of the documents' lengths."""
    by_token: bool = True
    """Whether the variance of a document's mean falls with its length, as for independent tokens.
    """
    correlation: float = 0.0
    """Of a document's effect and the logarithm of its length."""
    noise: str = "normal"

    def draw(
        self, rng: np.random.Generator, sets: int, each: int, tokens: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Tokens of the documents of several test sets, (sets, documents), and `each` differences
        in nats per token for each of them, (sets, each, documents).

        The standard error of a mean over all tokens is about 1, and the truth is `self.truth`. With
        `tokens`, the test sets are these.
        """
        if tokens is None:
            drawn = rng.normal(size=(sets, self.documents))
            tokens = np.maximum(1.0, np.round(MEDIAN * np.exp(self.spread * drawn)))
        own = NOISES[self.noise](rng, (sets, each, self.documents))
        length = np.log(tokens / MEDIAN)[:, None] / (self.spread or 1.0)
        mean = MEDIAN * math.exp(self.spread**2 / 2)
        sd = np.sqrt(self.documents * mean / tokens)[:, None] if self.by_token else self._sd
        left = math.sqrt(1 - self.correlation**2)
        return tokens, self.correlation * length * self._sd + left * own * sd

    @property
    def _sd(self) -> float:
        """SD of a document's effect: there are fewer effective documents if lengths differ."""
        return math.sqrt(self.documents / math.exp(self.spread**2))

    @property
    def truth(self) -> float:
        """The mean over all tokens of all texts that could have been drawn."""
        return self.correlation * self.spread * self._sd


def models(texts: Texts, sets: int) -> dict[str, Any]:
    """Coverage of the interval for the difference of two models."""
    rng = generator("models", texts)
    tokens, means = texts.draw(rng, sets, 1)
    found = models_differ(means[:, 0] * tokens, tokens)
    half_width = found.half_width(ALPHA)
    return {
        **asdict(texts),
        "coverage": float((np.abs(found.value - texts.truth) <= half_width).mean()),
        "half_width_over_standard_error": float(half_width.mean()),
    }


def model_cells() -> Iterator[Texts]:
    for documents, spread in product((10, 30, 100, 300), (0.0, 0.5, 1.0, 1.5)):
        for by_token, correlation in product((True, False), (0.0, 0.5)):
            if spread or not correlation:
                yield Texts(documents, spread, by_token, correlation)
    for documents, noise in product((30, 300), list(NOISES)[1:]):
        yield Texts(documents, 1.0, noise=noise)


@dataclass(frozen=True)
class Scatter:
    """Standard errors of an effect by their source, over one another."""

    seeds: float
    """Of runs, on a test set of all texts."""
    texts: float
    """Of documents, about which all seeds agree."""
    chance: float
    """Of documents, about which every run disagrees."""


SCATTERS = (
    Scatter(1, 0, 0), Scatter(1, 0.3, 0), Scatter(1, 1, 0), Scatter(0.3, 1, 0),
    Scatter(0.01, 1, 0), Scatter(1, 0, 1), Scatter(0.3, 1, 0.3), Scatter(1, 1, 1),
    Scatter(0.01, 0, 1),
)  # fmt: skip


def recipes(
    texts: Texts, seeds: int, interventions: int, scatter: Scatter, studies: int
) -> dict[str, Any]:
    """Coverage of the intervals for the effects of recipes, and of those of all pairs of runs."""
    design = complete(seeds, interventions)
    rng = generator("recipes", texts, seeds, interventions, scatter)
    runs = len(design.table)
    size = max(1, CHUNK // (runs * texts.documents))
    parts = [
        _studies(design, texts, scatter, min(size, studies - begin), rng)
        for begin in range(0, studies, size)
    ]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {
        **asdict(texts),
        "seeds": seeds,
        "interventions": interventions,
        "scatter": asdict(scatter),
        "coverage": float(found["both"].all(axis=1).mean()),
        "coverage_over_seeds_alone": float(found["seeds"].all(axis=1).mean()),
        "coverage_with_summed_variances": float(found["summed"].all(axis=1).mean()),
        "coverage_without_subtraction": float(found["whole"].all(axis=1).mean()),
        # Without scatter over documents, the interval has no width.
        "coverage_of_models": float(found["pairs"].all(axis=1).mean())
        if scatter.texts or scatter.chance
        else None,
        "half_width": float(found["width"].mean()),
        "half_width_over_seeds_alone": float(found["width_over_seeds"].mean()),
    }


def _studies(
    design: Studies, texts: Texts, scatter: Scatter, studies: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """Whether the truth is in each interval, (studies, interventions), and the widths."""
    arms = design.model.arms
    place = [arms.index(name) for name in design.table["intervention"]]
    seeds = len(place) // len(arms)
    rest = 2**-0.5 * rng.normal(size=(studies, len(place))) * seeds**0.5 * scatter.seeds
    tokens, likings = texts.draw(rng, studies, len(arms))
    _, chances = texts.draw(rng, studies, len(place), tokens)
    means = rest[..., None] + 2**-0.5 * scatter.texts * likings[:, place]
    means += (seeds / 2) ** 0.5 * scatter.chance * chances
    means += rng.normal(size=(studies, seeds))[:, design.table["init_seed"].to_numpy(), None]
    means += rng.normal(size=(studies, 1, texts.documents))
    nats = means * tokens[:, None]
    effect, over_seeds = design.intervals(nats.sum(axis=2) / tokens.sum(axis=1)[:, None])
    baseline = (design.table["intervention"] == BASELINE).to_numpy()
    family = len(arms) - 1
    over_texts, whole, pairs, samplings = [], [], [], []
    for arm in arms[1:]:
        own = (design.table["intervention"] == arm).to_numpy()
        differences = nats[:, own] - nats[:, baseline]
        samplings.append(recipes_differ([differences], tokens))
        over_texts.append(samplings[-1].half_width(ALPHA, family))
        mean = models_differ(differences.mean(axis=1), tokens)
        whole.append(mean.half_width(ALPHA, family))
        first = models_differ(differences[:, 0], tokens)
        truth = (rest[:, own] - rest[:, baseline])[:, 0]
        pairs.append(np.abs(first.value - truth) <= first.half_width(ALPHA, family))
    half_width = both(over_seeds, np.stack(over_texts, axis=1))
    return {
        "both": np.abs(effect) <= half_width,
        "whole": np.abs(effect) <= both(over_seeds, np.stack(whole, axis=1)),
        "summed": np.abs(effect) <= _summed(over_seeds, samplings, seeds),
        "seeds": np.abs(effect) <= over_seeds,
        "pairs": np.stack(pairs, axis=1),
        "width": half_width,
        "width_over_seeds": over_seeds,
    }


def _summed(over_seeds: Floats, texts: Sequence[Sampling], seeds: int) -> Floats:
    """Half-widths from the sum of both variances with Satterthwaite's degrees of freedom, which
    noiseband does not use; (studies, interventions)."""
    family = len(texts)
    level = (1.0 - (1.0 - ALPHA) ** (1.0 / family)) / 2
    freedom = family * (seeds - 1)
    # Sidak's quantile instead of Dunnett's, so that one formula has any degrees of freedom.
    own = (over_seeds / critical_value(ALPHA, _equal_correlation(family), freedom)) ** 2
    other = np.stack([one.variance for one in texts], axis=1)
    others = np.stack([one.degrees_of_freedom for one in texts], axis=1)
    together = (own + other) ** 2 / (own**2 / freedom + other**2 / others)
    return np.asarray(stats.t.isf(level, together) * np.sqrt(own + other), np.float64)


def _equal_correlation(family: int) -> Floats:
    """Of the effects of several arms with as many runs as the baseline, (family, family)."""
    return 0.5 * np.eye(family) + 0.5


def recipe_cells() -> Iterator[tuple[Texts, int, int, Scatter]]:
    kinds = (Texts(30, 0.5), Texts(100, 1.0), Texts(300, 1.0, by_token=False))
    yield from product(kinds, (2, 3, 5), (1, 4), SCATTERS)


def ranges(
    cells: Sequence[dict[str, Any]], *keys: str, of: str = "coverage"
) -> list[tuple[str, ...]]:
    """A row for each combination of the values of some keys: the range of their coverage."""
    rows: list[tuple[str, ...]] = [(*keys, of)]
    for values in dict.fromkeys(tuple(str(one[key]) for key in keys) for one in cells):
        these = [one[of] for one in cells if tuple(str(one[key]) for key in keys) == values]
        rows.append((*values, f"{min(these):.3f} to {max(these):.3f}"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=4_000, help="of each kind (4,000)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/test_sets.json"))
    options = parser.parse_args()
    sets = options.studies * 5 // 2
    differ = [models(texts, sets) for texts in model_cells()]
    print(table(ranges(differ, "spread", "by_token", "correlation", "noise")), flush=True)
    help_ = [recipes(*cell, options.studies) for cell in recipe_cells()]
    print(table(ranges(help_, "seeds", "interventions", "scatter")))
    result = {
        "alpha": ALPHA,
        "sets": sets,
        "studies": options.studies,
        "errors": {"sets": two_errors(ALPHA, sets), "studies": two_errors(ALPHA, options.studies)},
        "models": differ,
        "recipes": help_,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
