"""How much of the gap to a pretrained model is closed?"""

import math


def gap_closed(baseline: float, run: float, reference: float) -> float:
    """(baseline - run) / (baseline - reference), from three losses in nats.

    0 is the baseline and 1 the reference; above 1 the run is better than the reference, below 0 it
    is worse than the baseline. Raises ValueError unless the losses are finite and the reference is
    better than the baseline; otherwise there is no gap to close.
    """
    if not all(math.isfinite(loss) for loss in (baseline, run, reference)):
        raise ValueError(f"losses must be finite: {baseline}, {run}, {reference}")
    if reference >= baseline:
        raise ValueError(f"reference {reference} is not better than baseline {baseline}")
    return (baseline - run) / (baseline - reference)
