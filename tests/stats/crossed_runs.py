"""Designs with crossed seeds, and the model's mathematics written out with dense matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from noiseband.stats.least_squares import BASELINE, SEEDS, Floats

IRREGULAR = [
    *((BASELINE, *seeds) for seeds in [(1, 1, 1), (1, 2, 1), (2, 1, 1), (2, 2, 2), (3, 1, 3)]),
    *(("a", *seeds) for seeds in [(1, 1, 1), (2, 3, 2)]),
    *(("b", *seeds) for seeds in [(3, 2, 2), (1, 3, 3), (4, 4, 4)]),
    ("c", 2, 1, 3),
]
"""Arm, init_seed, data_seed and train_seed: eleven runs of four arms, and no seeds that nest."""


def crossed_table(
    rows: list[tuple[str, int, int, int]], sds: tuple[float, float, float], seed: int
) -> pd.DataFrame:
    """Runs without effects: SDs of initial weights, data order and training over that of the rest,
    which is 0.01 nats."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rows, columns=["intervention", *SEEDS])
    loss = rng.normal(size=len(table))
    for column, sd in zip(SEEDS, sds, strict=True):
        effect = {value: sd * rng.normal() for value in sorted(table[column].unique())}
        loss = loss + table[column].map(effect).to_numpy()
    return table.assign(value=3.6 + 0.01 * loss, run=[f"r{i}" for i in range(len(table))])


@dataclass(frozen=True)
class Dense:
    """Generalised least squares at known ratios, from the inverse of the whole covariance."""

    means: Floats
    covariance: Floats
    squares: float
    log_likelihood: float
    whitened: Floats
    """V^-1 times the residuals."""


def dense(table: pd.DataFrame, arms: tuple[str, ...], ratios: dict[str, float]) -> Dense:
    """The textbook's formulae, with V = I + sum of ratio^2 Z Z'."""
    design = np.array([[name == arm for arm in arms] for name in table["intervention"]], float)
    loss = table["value"].to_numpy()
    covariance = np.eye(len(table))
    for column, ratio in ratios.items():
        seeds = table[column].to_numpy()
        covariance += ratio**2 * (seeds[:, None] == seeds[None])
    inverse = np.linalg.inv(covariance)
    information = design.T @ inverse @ design
    means = np.linalg.solve(information, design.T @ inverse @ loss)
    residuals = loss - design @ means
    squares = float(residuals @ inverse @ residuals)
    freedom = len(table) - len(arms)
    logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
    return Dense(
        means=means,
        covariance=np.linalg.inv(information),
        squares=squares,
        log_likelihood=-0.5 * (logs + freedom * np.log(squares / freedom)),
        whitened=inverse @ residuals,
    )
