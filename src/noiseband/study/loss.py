"""What training minimises besides the plain cross-entropy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from noiseband.study.plugins import BUILT_IN, EITHER, IDEA, is_idea
from noiseband.study.section import ADDED, FixedMapping, Fraction, Section


class Loss(Section):
    """Terms of the training loss. They change what is minimised and not what is reported: the trace
    and every test loss have the plain cross-entropy, which runs with different terms share."""

    kind: Annotated[Annotated[Literal["cross-entropy"], BUILT_IN] | IDEA, EITHER, ADDED] = (
        "cross-entropy"
    )
    """`cross-entropy`, with the terms below, or an idea of `plugins`, without them."""
    options: Annotated[FixedMapping, ADDED] = {}
    """The options of an idea."""
    label_smoothing: Annotated[Fraction, ADDED] = 0.0
    """Share of the target's probability that is spread evenly over the whole vocabulary, as in
    PyTorch's `cross_entropy`."""
    z_loss: Annotated[float, Field(ge=0), ADDED] = 0.0
    """Weight of the mean of log(Z)^2, where Z is the sum of the exponentials of a token's logits
    (PaLM took 1e-4). It keeps the logits from drifting."""

    @model_validator(mode="after")
    def _an_idea_has_no_terms(self) -> Loss:
        for key in ("label_smoothing", "z_loss"):
            if is_idea(self.kind) and getattr(self, key):
                raise ValueError(
                    f"{key} is a term of kind: cross-entropy; remove it, or add it in {self.kind}"
                )
        return self
