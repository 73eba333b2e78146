"""The order in which a run reads the sequences of its window, computed place by place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noiseband.corpus.order import Order
from noiseband.study.recipe import Recipe


class ReadingOrder:
    """The sequence that a run reads at each place: 0 is the first place of its first step."""

    def __init__(self, recipe: Recipe) -> None:
        self.count = recipe.sequences
        """Number of sequences, each of which an epoch reads once; the last epoch may end early."""
        self.places = recipe.batches.before(recipe.steps)
        """Number of places: the sequences of all steps."""
        self._seed = recipe.data_seed
        self._before = [] if recipe.continues is None else [recipe.continues]
        self._orders: dict[int, Order] = {}

    @property
    def shuffled(self) -> bool:
        """Whether a seed decides the order."""
        return self._seed is not None

    def __call__(self, places: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the numbers of the sequences at these places, int64, in the shape of `places`."""
        epochs, inside = np.divmod(places.astype(np.int64), self.count)
        if self._seed is None:
            return inside
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            inside[here] = self._order(epoch)(inside[here])
        return inside

    def _order(self, epoch: int) -> Order:
        """The order of one epoch.

        A run that continues another may read the same tokens again, so the other run's digest is
        part of the key, as is the epoch: each pass has an order of its own.
        """
        if epoch not in self._orders:
            assert self._seed is not None
            later = [epoch] if epoch else []
            self._orders[epoch] = Order(self.count, self._seed, *self._before, "order", *later)
        return self._orders[epoch]
