"""How far a difference of losses depends on the documents of the test set.

A test set is a sample of documents. The loss is a ratio, nats over tokens, and both of its sums
are over documents, which are long and short, so the documents are the units that are drawn.

The functions take arrays whose last axis is the documents; any axes before it are broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import stats

from noiseband.stats.least_squares import Floats

Width = TypeVar("Width", float, Floats)

NEGLIGIBLE = 0.05
"""A test set is large enough if it adds no more than this share to the half-width of an effect's
interval."""


@dataclass(frozen=True)
class Sampling:
    """A difference of losses, and its variance over the documents that could have been drawn."""

    value: Floats
    """Nats per token."""
    variance: Floats
    """Square of the standard error."""
    degrees_of_freedom: Floats

    def half_width(self, alpha: float, family: int = 1) -> Floats:
        """Half the width of the interval in nats per token; those of a family of `family`
        differences hold together with probability 1 - alpha (Sidak 1967)."""
        adjusted = 1.0 - (1.0 - alpha) ** (1.0 / family)
        critical = stats.t.isf(adjusted / 2, self.degrees_of_freedom)
        return np.asarray(critical * np.sqrt(self.variance), np.float64)


def models_differ(nats: Floats, tokens: Floats) -> Sampling:
    """The difference of two models' losses, clustered by document.

    The value is the ratio estimator, sum of nats over sum of tokens (Cochran 1977, chapter 6). Its
    variance is linearised, from the residuals nats - value * tokens, each divided by 1 minus the
    document's share of the tokens (the bias reduction of Bell and McCaffrey 2002, also called HC2
    or CR2, of a mean weighted by tokens), with Satterthwaite's degrees of freedom as in that paper.
    Both are exact if the differences are normal and independent from token to token.

    Args:
        nats: sum over each document of one model's losses minus the other's, (..., documents).
        tokens: number of tokens of each document, (..., documents); at least two documents.
    """
    value = nats.sum(axis=-1) / tokens.sum(axis=-1)
    variance = (_squares(tokens) * _residuals(nats, tokens) ** 2).sum(axis=-1)
    return Sampling(value, variance, _degrees_of_freedom(tokens))


def recipes_differ(nats: Sequence[Floats], tokens: Floats) -> Sampling:
    """The difference of two recipes' losses, with the scatter of documents on which seeds agree.

    Documents scatter around the difference of two recipes because texts suit one recipe more than
    the other, whatever the seed, and because every training run does better on some documents by
    chance. The scatter between seeds has the second part in it already. So what seeds disagree
    about is subtracted here: it is estimated from the residuals of a document's runs around their
    mean (as in clustering by documents and by seeds; Cameron, Gelbach and Miller 2011).

    Args:
        nats: either one array with the difference of each pair of runs on the same seeds, shape
            (..., pairs, documents), or two with the losses of all runs of one recipe and of the
            other, (..., runs, documents).
        tokens: number of tokens of each document, (..., documents); at least two documents.
    """
    means = [each.mean(axis=-2) for each in nats]
    sampled = models_differ(means[0] if len(means) == 1 else means[0] - means[1], tokens)
    chance = sum((_chance(each, tokens) for each in nats), np.zeros_like(sampled.variance))
    variance = np.maximum(sampled.variance - chance, 0.0)
    return Sampling(sampled.value, variance, sampled.degrees_of_freedom)


def both(seeds: Width, texts: Width) -> Width:
    """Half the width of an interval over seeds and documents, from those over each alone.

    The two errors are independent, so their squares add. The interval is exact if one of the errors
    vanishes, and it is never narrower than either.
    """
    total: Width = (seeds**2 + texts**2) ** 0.5
    return total


def tokens_needed(seeds: float, texts: float, tokens: int) -> int:
    """The size of a test set of this kind of text that would add a share of `NEGLIGIBLE` to the
    half-width of an interval over seeds.

    Args:
        seeds: half the width over seeds, in nats; positive.
        texts: half the width over documents of the present test set, in nats.
        tokens: number of tokens of the present test set.
    """
    return int(np.ceil(tokens * (texts / seeds) ** 2 / ((1.0 + NEGLIGIBLE) ** 2 - 1.0)))


def _residuals(nats: Floats, tokens: Floats) -> Floats:
    """What is left of each document when it has the mean loss of all tokens, in nats."""
    mean = nats.sum(axis=-1, keepdims=True) / tokens.sum(axis=-1, keepdims=True)
    return np.asarray(nats - mean * tokens, np.float64)


def _squares(tokens: Floats) -> Floats:
    """The weight of each squared residual in the variance of the mean over tokens."""
    total = tokens.sum(axis=-1, keepdims=True)
    return np.asarray(1.0 / (total**2 * (1.0 - tokens / total)), np.float64)


def _chance(nats: Floats, tokens: Floats) -> Floats:
    """The part of a mean's variance over documents about which its runs disagree; 0 for one run.

    `nats` has shape (..., runs, documents).
    """
    runs = nats.shape[-2]
    if runs < 2:
        return np.zeros(nats.shape[:-2])
    residuals = _residuals(nats, tokens[..., None, :])
    each = residuals.var(axis=-2, ddof=1) / runs
    return np.asarray((_squares(tokens) * each).sum(axis=-1), np.float64)


def _degrees_of_freedom(tokens: Floats) -> Floats:
    """Satterthwaite's degrees of freedom of the variance, if tokens scatter independently.

    Let w be the documents' shares of the tokens and a = w^2 / (1 - w). The variance is sum a e^2
    with e = (I - 1w')y, and y has variances 1/w, so e has the covariance diag(1/w) - 11'. Then the
    mean of the variance is 1, and its own variance is 2 (sum w^2 + (sum a)^2 - sum a^2).
    """
    share = tokens / tokens.sum(axis=-1, keepdims=True)
    part = share**2 / (1.0 - share)
    squares = (share**2).sum(axis=-1) + part.sum(axis=-1) ** 2 - (part**2).sum(axis=-1)
    return np.asarray(1.0 / squares, np.float64)
