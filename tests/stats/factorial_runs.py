"""Made-up runs of a factorial design."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from noiseband.stats.design import Design

Pair = tuple[int, int]


def table(rows: Iterable[tuple[Iterable[str], Pair, float]]) -> pd.DataFrame:
    rows = list(rows)
    return pd.DataFrame(
        {
            "run": [f"run-{i}" for i in range(len(rows))],
            "interventions": [tuple(on) for on, _, _ in rows],
            "init_seed": [pair[0] for _, pair, _ in rows],
            "train_seed": [pair[1] for _, pair, _ in rows],
            "value": [float(loss) for _, _, loss in rows],
        }
    )


def once(plan: Design, losses: Iterable[float]) -> pd.DataFrame:
    """One run of each set, all on one seed pair."""
    return table((on, (42, 42), loss) for on, loss in zip(plan.runs, losses, strict=True))


def drawn(plan: Design, pairs: Iterable[Pair], seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return table((on, pair, rng.normal(3.6, 0.01)) for pair in pairs for on in plan.runs)
