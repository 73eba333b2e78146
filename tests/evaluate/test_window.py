"""The test window has whole batches of consecutive tokens, with targets shifted by one."""

from __future__ import annotations

import numpy as np
import pytest

from noiseband.errors import UserError
from noiseband.evaluate.window import cut_window
from noiseband.study.config import Evaluation

SPLIT = np.arange(1000, dtype=np.uint16)


def test_batches_are_consecutive_and_targets_are_one_ahead() -> None:
    window = cut_window(SPLIT, Evaluation(start_token=7, tokens=200, batch=3), context=10)
    inputs = np.concatenate([batch.numpy().ravel() for batch, _ in window])
    targets = np.concatenate([batch.numpy().ravel() for _, batch in window])
    assert inputs.tolist() == list(range(7, 187))  # 200 rounded down to 6 batches of 30
    assert targets.tolist() == list(range(8, 188)) == window.targets.tolist()
    assert window.batches == 6
    assert all(part.shape == (3, 10) for batch in window for part in batch)


def test_null_takes_the_whole_split_that_has_targets() -> None:
    assert len(cut_window(SPLIT[:61], Evaluation(batch=3), context=10).targets) == 60
    # The 60th token has no token after it to predict.
    assert len(cut_window(SPLIT[:60], Evaluation(batch=3), context=10).targets) == 30


def test_a_window_may_end_with_the_split() -> None:
    exact = Evaluation(start_token=939, tokens=60, batch=3)
    assert cut_window(SPLIT, exact, context=10).targets[-1] == 999
    beyond = Evaluation(start_token=940, tokens=60, batch=3)
    with pytest.raises(UserError, match=r"tokens=60 .*start_token=940 .*1,000 tokens, 59 to"):
        cut_window(SPLIT, beyond, context=10)


@pytest.mark.parametrize(
    "protocol",
    [
        Evaluation(tokens=29, batch=3),
        Evaluation(start_token=980, batch=3),
        Evaluation(start_token=2000, batch=3),
    ],
)
def test_no_whole_batch_is_an_error(protocol: Evaluation) -> None:
    with pytest.raises(UserError, match=rf"start_token={protocol.start_token} .*batch=3 x context"):
        cut_window(SPLIT, protocol, context=10)
