"""Instruction rows as tokens: prompt, answer, end-of-text; and as padded batches."""

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
"""Target that does not count in the loss: PyTorch's default `ignore_index`."""


TEMPLATES = {
    "alpaca": Template(
        instruction="Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request."
        "\n\n### Instruction:\n{}",
        input="\n\n### Input:\n{}",
        answer="\n\n### Response:\n",
    ),
    # No headings: a vocabulary that never saw them spends half of a context of 64 on them.
    "short": Template(instruction="Q: {}", input="\n{}", answer="\nA:\n"),
}
"""Prompts by the name that a protocol calls them."""


def prompt(row: Row, template: TemplateChoice) -> str:
    """A row's prompt, which ends where its answer begins. Braces in the row mean nothing."""
    pieces = TEMPLATES[template] if isinstance(template, str) else template
    given = pieces.input.replace("{}", row.input) if row.input else ""
    return pieces.instruction.replace("{}", row.instruction) + given + pieces.answer


@dataclass(frozen=True)
class Example:
    """One row to train on."""

    tokens: list[int]
    """Prompt, answer and end-of-text; at most context + 1, cut from the right."""
    prompt: int
    """How many of them are the prompt."""


def encode_prompt(
    row: Row, encoding: tiktoken.Encoding, template: TemplateChoice, context: int
) -> list[int]:
    """Token ids of a row's prompt. UserError if they leave no room for an answer's first token."""
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
    """A row as an example. UserError if its prompt leaves no room for the answer.

    Prompt and answer are encoded apart, so that answering starts from the tokens trained on.
    """
    asked = encode_prompt(row, encoding, template, context)
    answer = [*encoding.encode_ordinary(row.output), encoding.eot_token]
    return Example((asked + answer)[: context + 1], len(asked))


def collate(
    examples: Sequence[Example], loss_on: Literal["text", "answer"], pad: int
) -> tuple[Tensor, Tensor]:
    """Inputs and targets, int64, both (examples, longest - 1), on the CPU.

    Targets are the inputs shifted by one. Padding (id `pad` at the end of inputs, where no earlier
    token attends to it) has targets of IGNORED; so has the prompt where `loss_on` is `answer`.
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
