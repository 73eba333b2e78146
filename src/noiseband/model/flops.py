"""The amount of arithmetic that training a model takes."""

from __future__ import annotations

import math

from noiseband.model.gpt import parameter_shapes
from noiseband.study.recipe import Model


def flops_per_token(model: Model) -> float:
    """Floating-point operations of the forward and backward pass for one token.

    The sum has 6 for each parameter except the embeddings, and 12 x layers x context x width for
    attention, including its masked half. A tied embedding counts once, because the head multiplies
    by it. The formula follows Chowdhery et al. (2022), PaLM, appendix B.
    """
    shapes = parameter_shapes(model)
    looked_up = ["pos_emb.weight"] + ([] if model.tied else ["tok_emb.weight"])
    multiplied = sum(math.prod(shape) for name, shape in shapes.items() if name not in looked_up)
    return 6.0 * multiplied + 12.0 * model.layers * model.context * model.width
