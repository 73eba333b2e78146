"""An answer is what the model says until it stops, and does not depend on other questions."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import torch

from noiseband.errors import UserError
from noiseband.finetune.console import AnswerConsole
from noiseband.finetune.loop import finetune
from noiseband.finetune.prompts import encode_prompt
from noiseband.finetune.respond import respond, respond_file
from noiseband.finetune.rows import Row, Turn
from noiseband.io.files import read_jsonl
from noiseband.model.attention import AttentionKind
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.config import Answers, Protocol
from noiseband.study.instructions import Template


@pytest.fixture(scope="module")
def tuned(
    model_file: Path,
    config: Model,
    rows: list[Row],
    encoding: tiktoken.Encoding,
    protocol: Protocol,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A model that has learned to end its answers."""
    out = tmp_path_factory.mktemp("tuned")
    longer = protocol.model_copy(update={"epochs": 20})
    finetune(model_file, config, "explicit", rows, encoding, longer, 1, out)
    return out / "model.safetensors"


@pytest.fixture(scope="module")
def answers(
    tuned: Path, config: Model, rows: list[Row], encoding: tiktoken.Encoding, protocol: Protocol
) -> list[dict[str, Any]]:
    return respond(tuned, config, "explicit", rows, encoding, protocol)


def test_all_test_rows_are_answered_in_order(
    answers: list[dict[str, Any]], rows: list[Row]
) -> None:
    asked = [(row.instruction, row.input, row.output) for row in rows if row.split == "test"]
    assert [(a["instruction"], a["input"], a["reference"]) for a in answers] == asked
    assert list(answers[0]) == ["instruction", "input", "reference", "answer", "tokens", "stop"]


def test_an_answer_is_what_the_model_finds_likeliest(
    answers: list[dict[str, Any]],
    tuned: Path,
    config: Model,
    rows: list[Row],
    encoding: tiktoken.Encoding,
) -> None:
    model = load_model(tuned, config, "explicit", torch.device("cpu"))
    first = next(row for row in rows if row.split == "test")
    tokens = encode_prompt(first, encoding, "short", config.context)
    said: list[int] = []
    with torch.no_grad():
        while len(said) < 10:
            likeliest = int(model(torch.tensor([tokens + said]))[0, -1].argmax())
            if likeliest == encoding.eot_token:
                break
            said.append(likeliest)
    assert answers[0]["answer"] == encoding.decode(said).strip()
    assert answers[0]["tokens"] == len(said)


def test_answers_end_with_end_of_text(answers: list[dict[str, Any]]) -> None:
    ended = [a for a in answers if a["stop"] == "end of text"]
    assert ended
    assert all(0 < a["tokens"] < 10 for a in ended)


def test_answers_end_at_their_length_or_where_the_context_is_full(
    tuned: Path, config: Model, rows: list[Row], encoding: tiktoken.Encoding, protocol: Protocol
) -> None:
    def lengths(limit: int, rows: list[Row]) -> list[tuple[int, str]]:
        changed = protocol.model_copy(update={"max_new_tokens": limit})
        given = respond(tuned, config, "explicit", rows, encoding, changed)
        return [(a["tokens"], a["stop"]) for a in given]

    assert set(lengths(1, rows)) == {(1, "length")}
    # A prompt as long as the context leaves room for one token, predicted at its last position.
    full = Row(1, "x" * (config.context - len("Q: \nA:\n")), "", "y", "test")
    assert lengths(10, [full]) == [(1, "length")]
    with pytest.raises(UserError, match="row 1: its prompt has 33 tokens"):
        lengths(10, [Row(1, full.instruction + "x", "", "y", "test")])


def questions(config: Model, count: int = 15) -> list[Row]:
    """Questions of many lengths, up to one that leaves room for a single token."""
    room = config.context - len("Q: \nA:\n")
    lengths = [1 + i * (room - 1) // (count - 1) for i in range(count)]
    texts = [("Double " + "abcdefgh"[i % 8] * 90)[:length] for i, length in enumerate(lengths)]
    return [Row(i, text, "", "", "test") for i, text in enumerate(texts, 1)]


@pytest.mark.bits
@pytest.mark.parametrize("attention", ["explicit", "sdpa"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_does_not_depend_on_the_other_questions(
    temperature: float,
    attention: AttentionKind,
    tuned: Path,
    config: Model,
    encoding: tiktoken.Encoding,
    protocol: Protocol,
) -> None:
    options = Answers(temperature=temperature, top_k=50, top_p=0.95, rows=8)
    changed = protocol.model_copy(update={"answers": options})

    def ask(chosen: list[Row]) -> list[dict[str, Any]]:
        return respond(tuned, config, attention, chosen, encoding, changed)

    rows = questions(config)
    expected = ask(rows)
    assert len({a["answer"] for a in expected}) > 5, "too much alike to tell them apart"
    answer_of = {row.number: answer for row, answer in zip(rows, expected, strict=True)}
    order = random.Random(3)
    for count in (15, 15, 11, 5, 2, 1, 1):
        chosen = order.sample(rows, count)
        assert ask(chosen) == [answer_of[row.number] for row in chosen]


def test_answers_are_greedy_unless_the_protocol_says_otherwise(
    tuned: Path, config: Model, encoding: tiktoken.Encoding, protocol: Protocol
) -> None:
    def ask(**options: Any) -> list[dict[str, Any]]:
        changed = protocol.model_copy(update={"answers": Answers(**options)})
        return respond(tuned, config, "explicit", questions(config), encoding, changed)

    greedy = respond(tuned, config, "explicit", questions(config), encoding, protocol)
    assert ask(temperature=1.0, top_k=1) == greedy == ask(temperature=1.0, top_p=1e-6)
    assert ask(temperature=1.0) != greedy != ask(temperature=1.0, seed=7)
    assert ask(temperature=1.0) != ask(temperature=1.0, seed=7)
    changed = protocol.model_copy(update={"answers": Answers(temperature=1.0)})
    twice = [Row(number, "Double a", "", "", "test") for number in (1, 2)]
    one, other = respond(tuned, config, "explicit", twice, encoding, changed)
    assert one["answer"] != other["answer"], "each row has draws of its own"


def test_a_terminal_shows_how_far_answers_are(
    tuned: Path,
    config: Model,
    encoding: tiktoken.Encoding,
    protocol: Protocol,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = protocol.model_copy(update={"answers": Answers(rows=8)})

    def ask() -> list[str]:
        asked, shown = questions(config), AnswerConsole(str(tuned), sys.stderr)
        respond(tuned, config, "explicit", asked, encoding, changed, shown)
        return capsys.readouterr().err.splitlines()

    assert ask() == []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert [line.split("  ")[1] for line in ask()] == ["answer 8/15", "answer 15/15"]


def test_files(
    answers: list[dict[str, Any]],
    tuned: Path,
    config: Model,
    protocol: Protocol,
    vocabulary: Path,
    rows_file: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "answers.jsonl"
    respond_file(config, "explicit", protocol, tuned, vocabulary, rows_file, out)
    assert read_jsonl(out) == answers


def test_a_conversation_is_learned_and_answered(
    model_file: Path, encoding: tiktoken.Encoding, protocol: Protocol, config: Model, tmp_path: Path
) -> None:
    # The answer to the last question is the first turn's text, which the question does not have.
    rows = [
        Row(n, "?", "", word, split, (Turn("user", word), Turn("assistant", "k")))
        for n, (split, word) in enumerate(
            [(s, w) for s in ("train", "test", "validation") for w in ("aa", "bb", "cc", "dd")], 1
        )
    ]
    own = protocol.model_copy(
        update={
            "template": Template(instruction="{}", input="{}", answer=":"),
            "epochs": 120,
            "dropout": 0.0,
            "loss_on": "answer",
        }
    )
    finetune(model_file, config, "explicit", rows, encoding, own, 1, tmp_path)
    found = respond(tmp_path / "model.safetensors", config, "explicit", rows, encoding, own)
    assert [answer["input"] for answer in found] == [
        f"User: {word}\n\nAssistant: k" for word in ("aa", "bb", "cc", "dd")
    ]
    assert [answer["answer"] for answer in found] == ["aa", "bb", "cc", "dd"]
