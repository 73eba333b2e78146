"""Share of the gap to a reference run."""

import pytest

from noiseband.stats.gap import gap_closed

GPT2_SMALL = 3.499677
BEST_CLOUD = 3.577761  # stacked-interventions-1


def test_the_published_shares() -> None:
    """Printed as 60% (59.3%) from the cloud baseline, and 82% from the first local model."""
    assert gap_closed(3.691526, BEST_CLOUD, GPT2_SMALL) == pytest.approx(0.593, abs=5e-4)
    assert gap_closed(3.943522, BEST_CLOUD, GPT2_SMALL) == pytest.approx(0.82, abs=5e-3)


def test_the_ends_of_the_scale() -> None:
    assert gap_closed(4.0, 4.0, 3.0) == 0.0
    assert gap_closed(4.0, 3.0, 3.0) == 1.0
    assert gap_closed(4.0, 4.5, 3.0) == -0.5
    assert gap_closed(4.0, 2.5, 3.0) == 1.5


@pytest.mark.parametrize(
    "losses",
    [(3.0, 2.5, 3.0), (3.0, 2.5, 3.5), (float("nan"), 2.0, 1.0), (3.0, 2.0, -float("inf"))],
)
def test_without_a_gap_there_is_no_share(losses: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"must be finite|is not better than baseline"):
        gap_closed(*losses)
