"""The model: its fit, its blocks and its errors."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from noiseband.stats.least_squares import block_seeds, checked, fit


def rows_on(arm: str, seeds: list[int], loss: float = 3.0) -> list[tuple[str, int, int, float]]:
    return [(arm, seed, seed, loss) for seed in seeds]


def test_one_shared_pair_makes_no_block(table, published) -> None:
    assert block_seeds(published) == []
    assert fit(published).degrees_of_freedom == 6
    alone = table(rows_on("baseline", [1, 2]) + rows_on("a", [3]) + rows_on("b", [4]))
    assert block_seeds(alone) == []


def test_two_shared_pairs_make_two_blocks_and_the_rest_the_reference(table) -> None:
    runs = table(rows_on("baseline", [1, 2, 3, 4]) + rows_on("a", [1, 2, 9]))
    assert block_seeds(runs) == [(1, 1), (2, 2)]
    assert fit(runs).blocks == ((1, 1), (2, 2))
    # 7 runs; 2 arms, 2 blocks; the reference block takes no parameter of its own.
    assert fit(runs).degrees_of_freedom == 3


def test_a_pair_is_both_seeds(table) -> None:
    """Equal initial weights alone are not a shared pair; nor are two baseline runs of one pair."""
    runs = table(
        [
            ("baseline", 1, 1, 3.0),
            ("baseline", 2, 2, 3.1),
            ("baseline", 2, 2, 3.2),
            ("a", 1, 2, 3.0),
            ("a", 2, 1, 3.3),
        ]
    )
    assert block_seeds(runs) == []


def test_a_block_is_all_seeds_that_the_table_has(table) -> None:
    """On shared weights and dropout, another order of the data is another block."""
    runs = table([*rows_on("baseline", [1, 2, 3]), *rows_on("a", [1, 2, 3])])
    assert block_seeds(runs) == [(1, 1), (2, 2), (3, 3)]
    assert block_seeds(runs.assign(data_seed=[1, 2, 3, 1, 2, 9])) == [(1, 1, 1), (2, 2, 2)]
    # Where the data has no seed of its own, a third column changes no digit.
    loss = [3.01, 3.02, 3.04, 3.05, 3.01, 3.07]
    two = fit(runs.assign(value=loss))
    three = fit(runs.assign(value=loss, data_seed=runs["train_seed"]))
    assert three.blocks == ((1, 1, 1), (2, 2, 2), (3, 3, 3))
    assert np.array_equal(three.coefficients, two.coefficients)
    assert three.residual_sd == two.residual_sd


def test_seeds_of_any_size_stay_whole(table) -> None:
    large = 2**63 - 1
    rows = [("baseline", large, 2, 3.0), ("baseline", large - 1, 2, 3.1)]
    runs = table([*rows, *(("a", *row[1:]) for row in rows)])
    assert block_seeds(checked(runs)) == [(large - 1, 2), (large, 2)]


def test_it_agrees_with_statsmodels(table) -> None:
    """A design with blocks and a reference block, in treatment coding, of full rank."""
    rng = np.random.default_rng(0)
    rows = rows_on("baseline", [1, 2, 3, 4]) + rows_on("a", [1, 2, 8]) + rows_on("b", [1, 2])
    runs = table(rows)
    runs["value"] = rng.normal(3.6, 0.01, len(runs))
    shared = runs["init_seed"].isin([1, 2])
    block = runs["init_seed"].astype(str).where(shared, " reference")
    data = pd.DataFrame(
        {"loss": runs["value"], "block": block, "arm": runs["intervention"]}
    ).replace("baseline", " baseline")
    reference = smf.ols("loss ~ C(arm) + C(block)", data).fit()

    model = fit(runs)
    assert model.degrees_of_freedom == reference.df_resid
    assert model.residual_sd == pytest.approx(np.sqrt(reference.scale), rel=1e-9)
    for name in ("a", "b"):
        assert model.effect({name: 1.0}) == pytest.approx(reference.params[f"C(arm)[T.{name}]"])
        vector = model.vectors([{name: 1.0}])[0]
        se = model.residual_sd * np.sqrt(vector @ model.unscaled_covariance @ vector)
        assert se == pytest.approx(reference.bse[f"C(arm)[T.{name}]"])
    assert model.residuals.to_numpy() == pytest.approx(reference.resid.to_numpy())


def test_residuals_are_in_the_order_of_the_table(table) -> None:
    runs = table([("b", 1, 1, 3.0), ("baseline", 2, 2, 3.5), ("baseline", 3, 3, 3.7)])
    residuals = fit(runs).residuals
    assert list(residuals.index) == ["run-0", "run-1", "run-2"]
    assert residuals.to_numpy() == pytest.approx([0.0, -0.1, 0.1])


def test_a_contrast_that_the_runs_cannot_tell_apart_has_no_effect(table) -> None:
    """a and b only have pair 9, so its block cannot be told apart from the sum of both."""
    rows = rows_on("baseline", [1, 2]) + rows_on("c", [1, 2])
    runs = table(rows + rows_on("a", [9], 3.3) + rows_on("b", [9], 3.1))
    model = fit(runs)
    assert model.effect({"a": 1.0}) is None
    assert model.effect({"c": 1.0}) == 0.0
    assert model.effect({"a": 1.0, "b": -1.0}) == pytest.approx(0.2)


def test_what_it_refuses(table) -> None:
    good = table([("baseline", 1, 1, 3.0), ("a", 2, 2, 3.1), ("a", 3, 3, 3.2)])
    with pytest.raises(ValueError, match="run-0, run-2"):
        checked(good.assign(value=[float("nan"), 3.1, float("inf")]))
    with pytest.raises(ValueError, match="no run of the 'baseline'"):
        checked(good[good["intervention"] == "a"])
    with pytest.raises(ValueError, match="more than once: same"):
        checked(good.assign(run="same"))
    with pytest.raises(ValueError, match="lacks the columns: train_seed"):
        checked(good.drop(columns="train_seed"))
    with pytest.raises(ValueError, match="no intervention named 'zzz'"):
        fit(good).effect({"zzz": 1.0})
