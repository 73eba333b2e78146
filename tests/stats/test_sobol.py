"""The points are those of SciPy, which is not imported for them."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from scipy.stats import qmc

from noiseband.stats import sobol as module
from noiseband.stats.sobol import sobol


@pytest.mark.parametrize("dimensions", [1, 2, 3, 19, 64, 300])
def test_every_block_has_the_points_of_scipy(dimensions: int) -> None:
    engine = qmc.Sobol(dimensions, rng=0)
    for block in islice(sobol(dimensions, 1 << 10), 5):
        np.testing.assert_array_equal(block, engine.random(1 << 10))


def test_so_many_dimensions_as_scipy_has() -> None:
    engine = qmc.Sobol(qmc.Sobol.MAXDIM, rng=0)
    np.testing.assert_array_equal(next(sobol(qmc.Sobol.MAXDIM, 2)), engine.random(2))


def test_the_points_are_the_same_if_scipy_keeps_its_numbers_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = [*islice(sobol(7, 64), 3)]
    monkeypatch.setattr(module, "NUMBERS", "stats/elsewhere.npz")
    np.testing.assert_array_equal([*islice(sobol(7, 64), 3)], own)


def test_scipys_file_is_where_it_is_looked_for() -> None:
    code = (
        "import sys; from noiseband.stats.sobol import sobol; next(sobol(3, 4));"
        "assert 'scipy.stats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
