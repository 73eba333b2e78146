"""Less or more is better: from the metric's name only if it leaves no doubt."""

from __future__ import annotations

import pytest

from noiseband.errors import UserError
from noiseband.referee.direction import direction


@pytest.mark.parametrize(
    ("metric", "better"),
    [("val_loss", "lower"), ("eval/perplexity", "lower"), ("ms", "lower"),
     ("bits-per-byte", "lower"), ("hellaswag acc", "higher"), ("exact_match", "higher"),
     ("F1", "higher")],
)  # fmt: skip
def test_a_name_that_leaves_no_doubt(metric: str, better: str) -> None:
    assert direction(metric, None) == better
    assert direction(metric, "higher") == "higher"


@pytest.mark.parametrize("metric", ["value", "tokens", "loss_score", "mmlu"])
def test_otherwise_it_is_asked_for(metric: str) -> None:
    with pytest.raises(UserError, match=f"whether a lower or a higher {metric} is better"):
        direction(metric, None)
