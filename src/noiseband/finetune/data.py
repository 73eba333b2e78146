"""Convert instruction rows to tokens (prompt, answer, end-of-text) and to padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import tiktoken
import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.finetune.rows import Row
from noiseband.study.instructions import Template, TemplateChoice

IGNORED = -100
"""A target that does not count in the loss: PyTorch's default `ignore_index`."""


TEMPLATES = {
    "alpaca": Template(
        instruction="Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request."
        "\n\n### Instruction:\n{}",
        input="\n\n### Input:\n{}",
        answer="\n\n### Response:\n",
    ),
    # Without headings, because a vocabulary that was not trained on them needs half of a context
    # of 64 for them.
    "short": Template(instruction="Q: {}", input="\n{}", answer="\nA:\n"),
}
"""The prompt templates, by the name that a protocol uses."""


def prompt(row: Row, template: TemplateChoice) -> str:
    """A row's prompt, up to the beginning of the answer. Braces in the row are plain text."""
    pieces = TEMPLATES[template] if isinstance(template, str) else template
    given = pieces.input.replace("{}", row.input) if row.input else ""
    return pieces.instruction.replace("{}", row.instruction) + given + pieces.answer


@dataclass(frozen=True)
class Example:
    """A row, encoded for training."""

    tokens: list[int]
    """Prompt, answer and end-of-text; at most context + 1, cut from the right."""
    prompt: int
    """The number of tokens in the prompt."""


def encode_prompt(
    row: Row, encoding: tiktoken.Encoding, template: TemplateChoice, context: int
) -> list[int]:
    """The token ids of a row's prompt.

    Raises UserError if they leave no room for the first token of an answer.
    """
    tokens = encoding.encode_ordinary(prompt(row, template))
    if len(tokens) > context:
        name = template if isinstance(template, str) else "of the config"
        raise UserError(
            f"instructions: row {row.number}: its prompt has {len(tokens)} tokens (template "
            f"{name}), more than the context of {context}, which leaves no room for the "
            "answer; shorten or remove the row, or choose a shorter template"
        )
    return tokens


def encode_example(
    row: Row, encoding: tiktoken.Encoding, template: TemplateChoice, context: int
) -> Example:
    """A row as an example. Raises UserError if its prompt leaves no room for the answer.

    Prompt and answer are encoded separately, so that an answer is generated from the same prompt
    tokens as in training.
    """
    asked = encode_prompt(row, encoding, template, context)
    answer = [*encoding.encode_ordinary(row.output), encoding.eot_token]
    return Example((asked + answer)[: context + 1], len(asked))


def collate(
    examples: Sequence[Example], loss_on: Literal["text", "answer"], pad: int
) -> tuple[Tensor, Tensor]:
    """Inputs and targets, int64, both (examples, longest - 1), on the CPU.

    The targets are the inputs shifted by one. Padding (id `pad` at the end of the inputs, where no
    earlier token attends to it) has the target IGNORED; so has the prompt if `loss_on` is `answer`.
    """
    longest = max(len(example.tokens) for example in examples)
    inputs = torch.full((len(examples), longest - 1), pad)
    targets = torch.full_like(inputs, IGNORED)
    for i, example in enumerate(examples):
        tokens = torch.tensor(example.tokens)
        counted = example.prompt if loss_on == "answer" else 1
        inputs[i, : len(tokens) - 1] = tokens[:-1]
        targets[i, counted - 1 : len(tokens) - 1] = tokens[counted:]
    return inputs, targets
