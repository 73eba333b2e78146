"""Prompts, examples and padded batches."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import tiktoken
from pydantic import ValidationError

from noiseband.errors import UserError
from noiseband.finetune.data import IGNORED, Example, collate, encode_example, prompt
from noiseband.finetune.rows import Row
from noiseband.study.instructions import Template

ROW = Row(7, "Double {it}", "", "abab", "train")
WITH_INPUT = Row(8, "Double it", "ab", "abab", "train")


def test_templates() -> None:
    assert prompt(ROW, "short") == "Q: Double {it}\nA:\n"
    assert prompt(WITH_INPUT, "short") == "Q: Double it\nab\nA:\n"
    preamble = (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
    )
    assert prompt(ROW, "alpaca") == (preamble + "### Instruction:\nDouble {it}\n\n### Response:\n")
    assert prompt(WITH_INPUT, "alpaca") == (
        preamble + "### Instruction:\nDouble it\n\n### Input:\nab\n\n### Response:\n"
    )


def test_a_template_of_one_s_own_may_hold_braces() -> None:
    own = Template(instruction='{"ask": "{}"', input=', "of": "{}"', answer="} {{")
    assert prompt(WITH_INPUT, own) == '{"ask": "Double it", "of": "ab"} {{'
    assert prompt(ROW, own) == '{"ask": "Double {it}"} {{'
    braces = replace(WITH_INPUT, instruction="What is {}?", input="{}")
    assert prompt(braces, "short") == "Q: What is {}?\n{}\nA:\n"


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("instruction", "Say", "instruction='Say' contains {} 0 times; write it once"),
        ("input", "{}{}", "input='{}{}' contains {} 2 times; write it once"),
        ("answer", "{}", "answer='{}' contains {} 1 times; write it nowhere"),
    ],
)
def test_a_template_says_where_its_texts_go(name: str, text: str, complaint: str) -> None:
    pieces = {"instruction": "{}", "input": "{}", "answer": "A:", name: text}
    with pytest.raises(ValidationError, match=re.escape(complaint)):
        Template.model_validate(pieces)


def test_an_example_ends_with_end_of_text(encoding: tiktoken.Encoding) -> None:
    example = encode_example(ROW, encoding, "short", context=64)
    assert encoding.decode(example.tokens) == "Q: Double {it}\nA:\nabab<|endoftext|>"
    assert example.prompt == len("Q: Double {it}\nA:\n")
    assert example.tokens[-1] == encoding.eot_token


def test_a_long_answer_is_cut_and_a_long_prompt_is_an_error(encoding: tiktoken.Encoding) -> None:
    asked = len("Q: Double {it}\nA:\n")
    # With context + 1 tokens, every position has an input and a target.
    cut = encode_example(ROW, encoding, "short", context=asked + 1)
    assert encoding.decode(cut.tokens) == "Q: Double {it}\nA:\nab"
    last = encode_example(ROW, encoding, "short", context=asked)
    assert len(last.tokens) == asked + 1
    with pytest.raises(UserError, match=rf"row 7: its prompt has {asked} tokens .*template short"):
        encode_example(ROW, encoding, "short", context=asked - 1)


EXAMPLES = [Example([1, 2, 3, 4, 9], prompt=3), Example([5, 6, 9], prompt=2)]


def test_padding_is_ignored_but_for_one_end_of_text() -> None:
    inputs, targets = collate(EXAMPLES, "text", pad=9)
    assert inputs.tolist() == [[1, 2, 3, 4], [5, 6, 9, 9]]
    assert targets.tolist() == [[2, 3, 4, 9], [6, 9, IGNORED, IGNORED]]


def test_loss_on_the_answer_leaves_out_the_prompt() -> None:
    inputs, targets = collate(EXAMPLES, "answer", pad=9)
    assert inputs.tolist() == [[1, 2, 3, 4], [5, 6, 9, 9]]
    # The last token of the prompt predicts the first of the answer.
    assert targets.tolist() == [
        [IGNORED, IGNORED, 4, 9],
        [IGNORED, 9, IGNORED, IGNORED],
    ]
