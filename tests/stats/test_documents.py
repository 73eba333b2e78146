"""Errors over documents, compared with statsmodels, with matrices and with simulated test sets."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from benchmarks.test_sets import Scatter, Texts, models, recipes
from noiseband.stats.documents import both, models_differ, recipes_differ, tokens_needed
from noiseband.stats.least_squares import Floats


@pytest.fixture
def tokens() -> Floats:
    """The lengths of nine documents, one of which has nearly half of all tokens."""
    return np.array([40, 7, 150, 12, 600, 33, 90, 210, 155], np.float64)


@pytest.fixture
def nats(tokens: Floats) -> Floats:
    """Differences of three pairs of runs on these documents, shape (3, 9)."""
    rng = np.random.default_rng(5)
    means = 0.2 + 0.1 * rng.normal(size=9) + 0.05 * rng.normal(size=(3, 9))
    return np.asarray(means * tokens, np.float64)


def test_value_and_error_are_those_of_statsmodels(nats: Floats, tokens: Floats) -> None:
    found = models_differ(nats[0], tokens)
    fit = sm.WLS(nats[0] / tokens, np.ones(9), weights=tokens).fit(cov_type="HC2")
    assert float(found.value) == pytest.approx(fit.params[0], rel=1e-12)
    assert float(found.variance) == pytest.approx(fit.bse[0] ** 2, rel=1e-12)


def test_degrees_of_freedom_are_those_of_the_whole_matrix(nats: Floats, tokens: Floats) -> None:
    share = tokens / tokens.sum()
    centred = np.eye(9) - share[None]  # residuals of the documents' means
    root = np.diag(share / np.sqrt(1 - share))
    form = root @ centred @ np.diag(1 / share) @ centred.T @ root
    freedom = np.trace(form) ** 2 / np.trace(form @ form)
    assert float(models_differ(nats[0], tokens).degrees_of_freedom) == pytest.approx(freedom)
    assert freedom < 4, "one document has nearly half of the tokens"


def test_documents_of_one_length_are_a_paired_t_test(nats: Floats) -> None:
    found = models_differ(nats[0], np.full(9, 100.0))
    expected = stats.ttest_1samp(nats[0] / 100, 0.0).confidence_interval(0.95)
    value, half_width = float(found.value), float(found.half_width(0.05))
    assert (value - half_width, value + half_width) == pytest.approx(tuple(expected))


def test_what_all_seeds_agree_on_is_not_averaged_away(nats: Floats, tokens: Floats) -> None:
    one = models_differ(nats[0], tokens)
    same = recipes_differ([np.stack([nats[0]] * 4)], tokens)
    assert float(same.variance) == pytest.approx(float(one.variance))


def test_what_seeds_disagree_on_is_subtracted(nats: Floats, tokens: Floats) -> None:
    """Clustering by document, by seed and by both, with residuals of every cell."""
    found = recipes_differ([nats], tokens)
    share = tokens / tokens.sum()
    cells = nats / tokens - (nats.sum(axis=1) / tokens.sum())[:, None]
    by_document = cells.mean(axis=0) ** 2
    by_cell = ((cells - cells.mean(axis=0)) ** 2).sum(axis=0) / (3 * 2)
    expected = (share**2 / (1 - share) * (by_document - by_cell)).sum()
    assert float(found.variance) == pytest.approx(expected)
    assert float(found.variance) < float(models_differ(nats.mean(axis=0), tokens).variance)


def test_without_shared_seeds_both_arms_disagree(nats: Floats, tokens: Floats) -> None:
    other = 0.1 * nats[::-1] + 3.0 * tokens
    apart = recipes_differ([nats, other], tokens)
    means = models_differ(nats.mean(axis=0) - other.mean(axis=0), tokens)
    removed = [
        float(models_differ(each.mean(axis=0), tokens).variance)
        - float(recipes_differ([each], tokens).variance)
        for each in (nats, other)
    ]
    assert float(apart.value) == pytest.approx(float(means.value))
    assert float(means.variance - apart.variance) == pytest.approx(sum(removed))


def test_runs_that_disagree_about_everything_have_no_error_in_common(tokens: Floats) -> None:
    opposed = np.stack([tokens * np.arange(9), -tokens * np.arange(9)])
    assert float(recipes_differ([opposed], tokens).variance) == 0


def test_the_interval_is_never_narrower_than_over_seeds_alone() -> None:
    assert both(0.3, 0.4) == pytest.approx(0.5)
    assert both(0.3, 0.0) == 0.3


def test_a_test_set_of_that_size_adds_five_percent() -> None:
    needed = tokens_needed(0.01, 0.02, 10_000)
    assert both(0.01, 0.02 * (10_000 / needed) ** 0.5) == pytest.approx(0.0105, rel=1e-4)
    assert tokens_needed(0.01, 0.0, 10_000) == 0


@pytest.mark.parametrize("by_token", [True, False])
@pytest.mark.parametrize(("documents", "spread"), [(10, 0.5), (100, 1.0)])
def test_ninety_five_percent_of_test_sets_hold_the_difference_of_two_models(
    documents: int, spread: float, by_token: bool
) -> None:
    """Within three standard errors and one percentage point."""
    found = models(Texts(documents, spread, by_token), sets=4000)
    assert found["coverage"] == pytest.approx(0.95, abs=0.01 + 3 * (0.05 * 0.95 / 4000) ** 0.5)


@pytest.mark.parametrize(
    "scatter", [Scatter(1, 0, 0), Scatter(0.3, 1, 0), Scatter(0.01, 1, 0), Scatter(1, 1, 1)]
)
def test_ninety_five_percent_of_studies_hold_all_effects(scatter: Scatter) -> None:
    """At least, within three standard errors; the intervals over seeds alone do not if texts
    matter."""
    found = recipes(Texts(100, 0.5), seeds=3, interventions=3, scatter=scatter, studies=1000)
    assert 0.93 < found["coverage"] < 0.985
    if scatter.texts > scatter.seeds:
        assert found["coverage_over_seeds_alone"] < 0.5
    if scatter.texts:
        assert 0.93 < found["coverage_of_models"] < 0.97
