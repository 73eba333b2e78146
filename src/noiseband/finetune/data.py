"""Padded batches of encoded instruction rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from noiseband.finetune.prompts import Example

IGNORED = -100
"""A target that does not count in the loss: PyTorch's default `ignore_index`."""


def collate(
    examples: Sequence[Example], loss_on: Literal["text", "answer"], pad: int
) -> tuple[Tensor, Tensor]:
    """Inputs and targets, int64, both (examples, longest - 1), on the CPU.

    The targets are the inputs shifted by one. Padding (id `pad` at the end of the inputs, where no
    earlier token attends to it) has the target IGNORED; so has the prompt if `loss_on` is `answer`,
    except the assistant's answers in it.
    """
    longest = max(len(example.tokens) for example in examples)
    inputs = torch.full((len(examples), longest - 1), pad)
    targets = torch.full_like(inputs, IGNORED)
    for i, example in enumerate(examples):
        tokens = torch.tensor(example.tokens)
        inputs[i, : len(tokens) - 1] = tokens[:-1]
        if loss_on == "answer":
            counted = [*example.earlier, (example.prompt, len(tokens))]
        else:
            counted = [(1, len(tokens))]
        for begin, end in counted:
            targets[i, begin - 1 : min(end, len(tokens)) - 1] = tokens[begin:end]
    return inputs, targets
