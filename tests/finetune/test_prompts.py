"""Prompts, and examples made of them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import tiktoken
from pydantic import ValidationError

from noiseband.errors import UserError
from noiseband.finetune.data import IGNORED, collate
from noiseband.finetune.prompts import encode_example, encode_prompt, prompt
from noiseband.finetune.rows import Row, Turn
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


CHAT = Row(
    9,
    "Again?",
    "",
    "no",
    "train",
    (Turn("system", "Be."), Turn("user", "One?"), Turn("assistant", "yes"),
     Turn("user", "Two?"), Turn("assistant", "si")),
)  # fmt: skip
TOLD = (
    "System: Be.\nUser: One?\nAssistant: yes<|endoftext|>User: Two?\nAssistant: si<|endoftext|>"
    "User: Again?\nAssistant: "
)


def test_a_conversation_is_a_prompt_with_roles(encoding: tiktoken.Encoding) -> None:
    assert encoding.decode(encode_prompt(CHAT, encoding, "chat", context=400)) == TOLD
    example = encode_example(CHAT, encoding, "chat", context=400)
    assert encoding.decode(example.tokens) == TOLD + "no<|endoftext|>"
    assert example.tokens[: example.prompt] == encode_prompt(CHAT, encoding, "chat", context=400)
    # Any template can be used: each question has it.
    assert encoding.decode(encode_prompt(CHAT, encoding, "short", context=400)) == (
        "Be.\n\nQ: One?\nA:\nyes<|endoftext|>Q: Two?\nA:\nsi<|endoftext|>Q: Again?\nA:\n"
    )


def test_the_loss_on_answers_is_on_all_turns_of_the_assistant(encoding: tiktoken.Encoding) -> None:
    example = encode_example(CHAT, encoding, "chat", context=400)
    _, targets = collate([example], "answer", pad=encoding.eot_token)
    counted = [token for token in targets[0].tolist() if token != IGNORED]
    assert encoding.decode(counted) == "yes<|endoftext|>si<|endoftext|>no<|endoftext|>"
    inputs, targets = collate([example], "text", pad=encoding.eot_token)
    assert targets[0].tolist() == example.tokens[1:]
    assert inputs[0].tolist() == example.tokens[:-1]


@pytest.mark.parametrize("context", range(30, 110))
def test_a_long_conversation_is_cut_from_the_right_in_training(
    encoding: tiktoken.Encoding, context: int
) -> None:
    whole = encode_example(CHAT, encoding, "chat", context=400)
    first = len("System: Be.\nUser: One?\nAssistant: ")
    if context < first:
        with pytest.raises(UserError, match=rf"row 9: its prompt has {first} tokens"):
            encode_example(CHAT, encoding, "chat", context)
        return
    cut = encode_example(CHAT, encoding, "chat", context)
    assert cut.tokens == whole.tokens[: context + 1]
    _, targets = collate([cut], "answer", pad=0)
    _, all_targets = collate([whole], "answer", pad=0)
    assert targets[0].tolist() == all_targets[0, : len(cut.tokens) - 1].tolist()
    assert any(target != IGNORED for target in targets[0].tolist())


def test_the_oldest_turns_leave_a_prompt_that_is_too_long(encoding: tiktoken.Encoding) -> None:
    end = "User: Again?\nAssistant: "
    middle = "User: Two?\nAssistant: si<|endoftext|>"
    tokens = len(encode_prompt(CHAT, encoding, "chat", context=400))
    for context, expected in (
        (tokens, TOLD),
        (tokens - 1, f"System: Be.\n{middle}{end}"),
        (len("System: Be.\n" + end), f"System: Be.\n{end}"),
    ):
        assert encoding.decode(encode_prompt(CHAT, encoding, "chat", context)) == expected
    with pytest.raises(UserError, match="leaves no room for the answer"):
        encode_prompt(CHAT, encoding, "chat", context=len("System: Be.\n" + end) - 1)


def test_a_template_without_a_system_piece_keeps_its_text() -> None:
    own = {"instruction": "{}", "input": "{}", "answer": ":"}
    assert Template.model_validate(own).text == Template(**own, system="{}\n\n").text
    assert "system" not in Template.model_validate(own).text
    with pytest.raises(ValidationError, match=r"system='S' contains \{\} 0 times; write it once"):
        Template.model_validate({**own, "system": "S"})
