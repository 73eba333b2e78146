"""Seeds from where one stands."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from noiseband.randomness import derived_seed

PLACES = st.tuples(st.integers(0, 2**62), st.integers(0, 10**6), st.integers(0, 1000))


def test_the_definition() -> None:
    digest = hashlib.sha256(b"42/7/3").digest()
    assert derived_seed(42, 7, 3) == int.from_bytes(digest[:8], "little") // 2


@given(PLACES, PLACES)
def test_other_places_have_other_seeds(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert 0 <= derived_seed(*one) < 2**63
    assert (derived_seed(*one) == derived_seed(*other)) == (one == other)
