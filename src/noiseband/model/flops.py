"""The amount of arithmetic that training a model takes."""

from __future__ import annotations

from noiseband.model.gpt import empty_model
from noiseband.model.layers import Embedding
from noiseband.study.architecture import Model


def flops_per_token(model: Model) -> float:
    """Floating-point operations of the forward and backward pass for one token.

    The sum has 6 for each parameter except the embeddings, and for the attention of each layer 12 x
    its span x heads x head width. The span is the context, including its masked half, or the
    layer's window. A tied embedding counts once, because the head multiplies by it. The formula
    follows Chowdhery et al. (2022), PaLM, appendix B.
    """
    empty = empty_model(model)
    looked_up = [part for part in empty.modules() if isinstance(part, Embedding)]
    if model.tied:
        looked_up.remove(empty.tok_emb)
    numbers = sum(parameter.numel() for parameter in empty.parameters())
    multiplied = numbers - sum(part.weight.numel() for part in looked_up)
    spans = sum(min(window or model.context, model.context) for window in model.windows)
    return 6.0 * multiplied + 12.0 * spans * model.heads * model.head_width
