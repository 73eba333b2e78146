"""The parameters of the published model, made with PyTorch's own layers.

The layers are in the order of the published model, and each is initialised by PyTorch's default
when it is made. This file shares no code with noiseband.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))


class Attention(nn.Module):
    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.W_query = nn.Linear(width, width, bias=bias)
        self.W_key = nn.Linear(width, width, bias=bias)
        self.W_value = nn.Linear(width, width, bias=bias)
        self.out_proj = nn.Linear(width, width)


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )


class Block(nn.Module):
    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.att = Attention(width, bias)
        self.ff = FeedForward(width)
        self.norm1 = Norm(width)
        self.norm2 = Norm(width)


class ReferenceModel(nn.Module):
    def __init__(self, vocabulary: int, context: int, width: int, layers: int, bias: bool) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(vocabulary, width)
        self.pos_emb = nn.Embedding(context, width)
        self.trf_blocks = nn.Sequential(*(Block(width, bias) for _ in range(layers)))
        self.final_norm = Norm(width)
        self.out_head = nn.Linear(width, vocabulary, bias=False)


def reference_parameters(
    seed: int, vocabulary: int, context: int, width: int, layers: int, bias: bool, tied: bool
) -> dict[str, Tensor]:
    """Parameters by name after `torch.manual_seed(seed)`; a tied head counts as the embedding."""
    torch.manual_seed(seed)
    model = ReferenceModel(vocabulary, context, width, layers, bias)
    if tied:
        model.out_head.weight = model.tok_emb.weight
    return {name: parameter.detach() for name, parameter in model.named_parameters()}
