"""Random effects: the fast arithmetic compared with dense matrices and with statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

from noiseband.stats.least_squares import BASELINE, SEEDS
from noiseband.stats.maxt import critical_value
from noiseband.stats.mixed import RATIOS, STUDIES, fit
from tests.stats.crossed_runs import IRREGULAR, crossed_table, dense

RUNS = crossed_table(IRREGULAR, (1.0, 0.5, 2.0), seed=4)


def test_every_ratio_is_generalised_least_squares() -> None:
    """Estimates, covariance, sum of squares and likelihood at each of the 125 points."""
    model = fit(RUNS)
    assert model.grid.shape == (len(RATIOS) ** 3, 3)
    references = [
        dense(model.table, model.arms, dict(zip(SEEDS, point, strict=True))) for point in model.grid
    ]
    means = model.means - model.correction @ model.seen
    squares = model.mean_squares() * model.degrees_of_freedom
    logs = np.array([one.log_likelihood for one in references])
    expected = np.exp(logs - logs.max())
    assert means == pytest.approx(np.array([one.means for one in references]), rel=1e-11)
    covariance = np.array([one.covariance for one in references])
    assert model.covariance == pytest.approx(covariance, rel=1e-8, abs=1e-10)
    assert squares == pytest.approx(np.array([one.squares for one in references]), rel=1e-8)
    assert model.weights == pytest.approx(expected / expected.sum(), rel=1e-7)
    assert np.ptp(model.weights) > 0.01


def test_averages_are_over_the_weights() -> None:
    """Values, errors and what is left of each run."""
    model = fit(RUNS)
    references = [
        dense(model.table, model.arms, dict(zip(SEEDS, point, strict=True))) for point in model.grid
    ]
    contrast = np.array([[-1.0, 0.5, 0.5, 0.0]])
    value = sum(
        w * (contrast @ one.means) for w, one in zip(model.weights, references, strict=True)
    )
    variance = sum(
        w * one.squares / model.degrees_of_freedom * (contrast @ one.covariance @ contrast.T)
        for w, one in zip(model.weights, references, strict=True)
    )
    residuals = sum(w * one.whitened for w, one in zip(model.weights, references, strict=True))
    assert model.value(contrast) == pytest.approx(value, rel=1e-8)
    assert model.standard_errors(contrast) ** 2 == pytest.approx(variance[0], rel=1e-8)
    assert model.residuals().to_numpy() == pytest.approx(residuals, rel=1e-7, abs=1e-12)
    assert list(model.residuals().index) == list(model.table["run"])


def mixed_lm(table: pd.DataFrame, sources: tuple[str, ...]) -> MixedLM:
    columns = {name: f"0 + C({name})" for name in sources}
    return MixedLM.from_formula(
        "value ~ 0 + C(intervention)", table, groups=np.ones(len(table)), vc_formula=columns
    )


def test_weights_are_the_restricted_likelihood_of_statsmodels() -> None:
    rows = [(arm, init, 0, train) for arm, init, _, train in IRREGULAR]
    model = fit(crossed_table(rows, (1.0, 0.0, 1.0), seed=7))
    reference = mixed_lm(model.table, ("init_seed", "train_seed"))
    reference.cov_pen = reference.fe_pen = None  # set by `fit`, which is not called here
    logs = []
    positive = (model.grid > 0).all(axis=1)  # statsmodels inverts the components
    for point in model.grid[positive]:
        params = MixedLMParams.from_components(
            fe_params=np.zeros(len(model.arms)), cov_re=np.zeros((0, 0)), vcomp=point**2
        )
        logs.append(reference.loglike(params, profile_fe=True))
    expected = np.exp(np.array(logs) - max(logs))
    ours = model.weights[positive]
    assert ours / ours.sum() == pytest.approx(expected / expected.sum(), rel=1e-6)


@pytest.mark.filterwarnings("ignore:The MLE may be on the boundary")
@pytest.mark.parametrize("sd", [0.0, 1.0, 4.0])
def test_the_likeliest_ratio_is_next_to_the_reml_estimate(sd: float) -> None:
    rows = [(arm, seed, 0, 0) for arm in (BASELINE, "a", "b") for seed in range(12)]
    model = fit(crossed_table(rows, (sd, 0.0, 0.0), seed=3))
    found = mixed_lm(model.table, ("init_seed",)).fit(reml=True)
    estimate = float(np.sqrt(found.vcomp[0] / found.scale))
    likeliest = float(model.grid[model.weights.argmax(), 0])
    ratios = np.array([*RATIOS, np.inf])
    above = int(np.searchsorted(ratios, estimate))
    assert likeliest in ratios[max(0, above - 1) : above + 1]
    assert set(model.grid[model.plausible(), 0]) >= {likeliest}


def test_implausible_ratios_are_those_that_a_likelihood_ratio_test_rejects() -> None:
    model = fit(crossed_table([*IRREGULAR, *IRREGULAR], (5.0, 0.0, 0.0), seed=2))
    ratio = 2 * (np.log(model.weights.max()) - np.log(model.weights))
    inside = np.flatnonzero(stats.chi2.sf(ratio, 3) >= 0.05)
    assert model.plausible().tolist() == inside.tolist()
    assert 0 < len(inside) < len(model.grid)


def test_without_shared_seeds_the_simulation_is_dunnetts_distribution() -> None:
    rows = [(arm, 9 * k + s, 0, 0) for k, arm in enumerate([BASELINE, *"abcd"]) for s in range(4)]
    model = fit(crossed_table(rows, (0.0, 0.0, 0.0), seed=1))
    assert model.sources == ()
    assert model.grid.shape == (1, 0)
    contrasts = np.concatenate([-np.ones((4, 1)), np.eye(4)], axis=1)
    (largest,) = model.largest(contrasts, np.array([0]))
    assert largest.shape == (STUDIES,)
    assert (np.diff(largest) >= 0).all()
    correlation = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    for alpha in (0.5, 0.2, 0.05):
        exact = critical_value(alpha, correlation, 15)
        assert (largest > exact).mean() == pytest.approx(alpha, abs=0.006)


def test_the_simulation_repeats_the_whole_procedure() -> None:
    """Its |t| have the distribution of those of studies that are drawn run by run."""
    model = fit(RUNS)
    contrasts = np.concatenate([-np.ones((3, 1)), np.eye(3)], axis=1)
    point = int(np.flatnonzero((model.grid == (1.0, 0.4, 2.5)).all(axis=1))[0])
    (largest,) = model.largest(contrasts, np.array([point]))
    found = []
    for number in range(150):
        drawn = fit(crossed_table(IRREGULAR, (1.0, 0.4, 2.5), seed=number))
        t = drawn.value(contrasts) / drawn.standard_errors(contrasts)
        found.append(np.abs(t).max())
    assert stats.ks_2samp(largest, found).pvalue > 0.01


def test_runs_that_do_not_scatter_have_no_ratio() -> None:
    model = fit(RUNS.assign(value=0.1 + 0.2))
    assert not model.scatters
    assert model.weights[0] == 1.0
    assert model.value(np.eye(4)) == pytest.approx(0.3)
    alone = fit(RUNS.drop_duplicates("intervention"))
    assert (alone.degrees_of_freedom, alone.scatters) == (0, False)


def test_the_order_of_the_rows_changes_no_bit() -> None:
    contrasts = np.concatenate([-np.ones((3, 1)), np.eye(3)], axis=1)
    first, other = fit(RUNS), fit(RUNS.sample(frac=1.0, random_state=5))
    for one, two in [(first.weights, other.weights), (first.seen, other.seen)]:
        assert np.array_equal(one, two)
    assert np.array_equal(first.value(contrasts), other.value(contrasts))
    assert np.array_equal(
        first.largest(contrasts, np.arange(2)), other.largest(contrasts, np.arange(2))
    )
