"""Convert instruction rows to tokens: prompt, answer, end-of-text."""

from __future__ import annotations

from dataclasses import dataclass, replace

from noiseband.corpus.vocabulary import Encoding
from noiseband.errors import UserError
from noiseband.finetune.rows import Row
from noiseband.study.instructions import Template, TemplateChoice

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
    "chat": Template(
        system="System: {}\n", instruction="User: {}\n", input="{}\n", answer="Assistant: "
    ),
}
"""The prompt templates, by the name that a protocol uses."""


def prompt(row: Row, template: TemplateChoice) -> str:
    """The prompt of a row's question, up to the beginning of the answer, without earlier turns.

    Braces in the row are plain text.
    """
    pieces = _pieces(template)
    given = pieces.input.replace("{}", row.input) if row.input else ""
    return pieces.instruction.replace("{}", row.instruction) + given + pieces.answer


def _pieces(template: TemplateChoice) -> Template:
    return TEMPLATES[template] if isinstance(template, str) else template


@dataclass(frozen=True)
class Example:
    """A row, encoded for training."""

    tokens: list[int]
    """Prompt, answer and end-of-text; at most context + 1, cut from the right."""
    prompt: int
    """The number of tokens before the answer."""
    earlier: tuple[tuple[int, int], ...] = ()
    """First token and end of each answer of the assistant in the prompt, with its end-of-text."""


def encode_prompt(
    row: Row, encoding: Encoding, template: TemplateChoice, context: int
) -> list[int]:
    """The token ids of a row's prompt: its earlier turns and its question.

    Each earlier answer ends with end-of-text, as answers do in training. If the conversation is too
    long, its oldest questions and answers are left out.

    Raises UserError if the question leaves no room for the first token of an answer.
    """
    system, exchanges, asked = _parts(row, encoding, template)
    _check_room(len(system) + len(asked), row, template, context)
    earlier: list[int] = []
    for question, answer in reversed(exchanges):
        if len(system) + len(question) + len(answer) + len(earlier) + len(asked) > context:
            break
        earlier = question + answer + earlier
    return system + earlier + asked


def encode_example(row: Row, encoding: Encoding, template: TemplateChoice, context: int) -> Example:
    """A row as an example. A long conversation is cut from the right, as a long answer is.

    Prompt and answer are encoded separately, so that an answer is generated from the same prompt
    tokens as in training.

    Raises UserError if the first question leaves no room for its answer.
    """
    system, exchanges, asked = _parts(row, encoding, template)
    first = exchanges[0][0] if exchanges else asked
    _check_room(len(system) + len(first), row, template, context)
    tokens, earlier = system, []
    for question, answer in exchanges:
        begin = len(tokens) + len(question)
        tokens = tokens + question + answer
        earlier.append((begin, len(tokens)))
    tokens = tokens + asked
    answer = [*encoding.encode_ordinary(row.output), encoding.eot_token]
    return Example((tokens + answer)[: context + 1], len(tokens), tuple(earlier))


def tokens_before_answer(row: Row, encoding: Encoding, template: TemplateChoice) -> int:
    """The number of tokens that must fit into the context, so that there is room for an answer.

    These are the turn of the system and the question; of a conversation for training, its first
    question.
    """
    system, exchanges, asked = _parts(row, encoding, template)
    return len(system) + len(exchanges[0][0] if exchanges and row.split != "test" else asked)


def _parts(
    row: Row, encoding: Encoding, template: TemplateChoice
) -> tuple[list[int], list[tuple[list[int], list[int]]], list[int]]:
    """The tokens of the system's turn, of each earlier question and answer, and of the question."""
    encode = encoding.encode_ordinary
    system = _pieces(template).system.replace("{}", row.system) if row.system is not None else ""
    exchanges = [
        (
            encode(prompt(replace(row, instruction=question, input=""), template)),
            [*encode(answer), encoding.eot_token],
        )
        for question, answer in row.exchanges
    ]
    return encode(system), exchanges, encode(prompt(row, template))


def _check_room(tokens: int, row: Row, template: TemplateChoice, context: int) -> None:
    if tokens > context:
        name = template if isinstance(template, str) else "of the config"
        raise UserError(
            f"instructions: row {row.number}: its prompt has {tokens} tokens (template "
            f"{name}), more than the context of {context}, which leaves no room for the "
            "answer; shorten or remove the row, or choose a shorter template"
        )
