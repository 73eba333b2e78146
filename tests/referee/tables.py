"""Tables of runs for the tests of the referee."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def drawn(seed: int, runs: dict[str, int], effects: dict[str, float] | None = None) -> pd.DataFrame:
    """Runs without seeds, with normal noise of SD 0.01 around 3.3 and the effects."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for arm, count in runs.items():
        for number in range(count):
            loss = 3.3 + (effects or {}).get(arm, 0.0) + 0.01 * rng.standard_normal()
            rows.append({"run": f"{arm}-{number}", "arm": arm, "loss": loss})
    return pd.DataFrame(rows)


def blocked(seed: int, arms: list[str], seeds: int) -> pd.DataFrame:
    """Every arm on the same seeds, which scatter three times as much as the rest."""
    rng = np.random.default_rng(seed)
    of_seed = 0.03 * rng.standard_normal(seeds)
    return pd.DataFrame(
        [
            {"arm": arm, "seed": 100 + n, "loss": 3.3 + of_seed[n] + 0.01 * rng.standard_normal()}
            for arm in arms
            for n in range(seeds)
        ]
    )
