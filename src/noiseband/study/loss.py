"""What training minimises besides the plain cross-entropy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from noiseband.study.section import ADDED, Fraction, Section


class Loss(Section):
    """Terms of the training loss. They change what is minimised and not what is reported: the trace
    and every test loss have the plain cross-entropy, which runs with different terms share."""

    label_smoothing: Annotated[Fraction, ADDED] = 0.0
    """Share of the target's probability that is spread evenly over the whole vocabulary, as in
    PyTorch's `cross_entropy`."""
    z_loss: Annotated[float, Field(ge=0), ADDED] = 0.0
    """Weight of the mean of log(Z)^2, where Z is the sum of the exponentials of a token's logits
    (PaLM took 1e-4). It keeps the logits from drifting."""
