"""Low-rank adapters on a model's blocks, implemented with `peft`."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from noiseband.errors import UserError
from noiseband.model.gpt import GPT
from noiseband.model.layers import Linear
from noiseband.randomness import derived_seed
from noiseband.study.instructions import Lora


class Adapters:
    """Adapters on chosen linear layers of a model; its other parameters are frozen.

    At the start they have no effect: A is drawn from the seed, and B is zero. Only blocks get
    adapters. One on the head would have no effect, because the head's weight is used without its
    module, and a tied head is the embedding.
    """

    def __init__(self, model: GPT, lora: Lora, seed: int) -> None:
        """Insert the adapters. Raises UserError if `peft` is not installed, or if the model has
        none of the targets, as where its feed-forward part is an idea."""
        try:
            # Imported here, because it takes seconds and full fine-tuning does not need it.
            from peft import LoraConfig, LoraModel
        except ImportError as error:
            raise UserError(
                f"method: lora needs the package peft ({error}); "
                "run `pip install 'noiseband[lora]'`"
            ) from error
        model.requires_grad_(False)
        ends = tuple(f".{target}" for target in lora.targets)
        parts = dict(model.trf_blocks.named_modules())
        adapted = [k for k, part in parts.items() if isinstance(part, Linear) and k.endswith(ends)]
        if not adapted:
            raise UserError(
                f"lora.targets: the model has no layer {' or '.join(lora.targets)}; "
                "name other layers, such as W_query"
            )
        for name in adapted:
            model.trf_blocks.set_submodule(name, _as_torch(cast(Linear, parts[name])))
        config = LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=[*lora.targets],
        )
        # peft draws on the CPU, so every device starts from the same numbers.
        torch.manual_seed(derived_seed("finetune", seed, "lora"))
        self._adapted = LoraModel(model.trf_blocks, config, "default")

    def merge(self) -> None:
        """Add B A to the weights and remove the adapters, which restores the parameters' names."""
        self._adapted.merge_and_unload()


def _as_torch(layer: Linear) -> nn.Linear:
    """The layer as PyTorch's own class, the only one that peft adapts, with the same parameters."""
    fan_out, fan_in = layer.weight.shape
    found = nn.Linear(fan_in, fan_out, bias=layer.bias is not None, device="meta")
    found.register_parameter("weight", layer.weight)
    found.register_parameter("bias", layer.bias)
    return found
