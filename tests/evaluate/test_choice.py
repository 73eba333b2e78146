"""Choices and last words: known answers of `transformers`, whatever shares the batch, and kills."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from noiseband.errors import UserError
from noiseband.evaluate.choice import choose_file
from noiseband.evaluate.continuations import Scored, scores
from noiseband.evaluate.items import read_items
from noiseband.evaluate.journal import Journal
from noiseband.evaluate.outcome import Outcome
from noiseband.evaluate.questions import encoded, read_questions
from noiseband.hub.export import write_export
from noiseband.model.attention import AttentionKind
from noiseband.model.init import initial_weights
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.evaluations import Choice
from tests.evaluate.further import choice_rows, params, write_rows


@pytest.fixture(scope="module")
def config() -> Model:
    return Model(vocabulary=257, context=40, width=16, heads=2, layers=2, dropout=0.5)


@pytest.fixture
def items(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "items.jsonl", choice_rows(30))


def measured(
    folder: Path, config: Model, model: Path, vocabulary: Path, items: Path, **more: Any
) -> Outcome:
    given = params(config, choice={"file": str(items), **more})
    return choose_file(given, model, vocabulary, Journal(folder / "work", "key"))


def their_scores(folder: Path, pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
    """Log-likelihoods of `transformers`, one text at a time, in float64."""
    theirs: Any = AutoModelForCausalLM.from_pretrained(folder).double()
    found = []
    for before, tokens in pairs:
        whole = torch.tensor([[*before, *tokens][-(theirs.config.n_positions + 1) :]])
        with torch.no_grad():
            likelihoods = theirs(whole[:, :-1]).logits[0].log_softmax(dim=-1)
        own = likelihoods[-len(tokens) :].gather(1, torch.tensor(tokens)[:, None])
        found.append(float(own.sum()))
    return found


def test_log_likelihoods_are_those_of_transformers(
    tmp_path: Path, config: Model, model_file: Path, vocabulary: Path, items: Path
) -> None:
    """Of the exported model, with its own tokenizer; also of an empty and of a long context."""
    write_export(model_file, config, vocabulary, tmp_path / "exported")
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "exported")
    pairs = []
    for item in read_items(items):
        before = tokenizer(item.context)["input_ids"] or [tokenizer.eos_token_id]
        pairs += [(before, tokenizer(f" {text}")["input_ids"]) for text in item.choices]
    expected = their_scores(tmp_path / "exported", pairs)
    outcome = measured(tmp_path, config, model_file, vocabulary, items)
    journal = (tmp_path / "work/scores.jsonl").read_text().splitlines()[1:]
    nats = {place: value for place, value, _ in map(json.loads, journal)}
    assert len(nats) == len(expected) == sum(len(row["choices"]) for row in choice_rows(30))
    assert [-nats[place] for place in range(len(nats))] == pytest.approx(expected, rel=1e-6)
    assert outcome.about["truncated"] == sum(len(a) + len(b) > 41 for a, b in pairs) > 0


def test_accuracies_follow_from_log_likelihoods(
    tmp_path: Path, config: Model, model_file: Path, vocabulary: Path, items: Path
) -> None:
    outcome = measured(tmp_path, config, model_file, vocabulary, items)
    journal = (tmp_path / "work/scores.jsonl").read_text().splitlines()[1:]
    nats = {place: value for place, value, _ in map(json.loads, journal)}
    place = 0
    right: dict[str, list[float]] = {"accuracy": [], "accuracy_per_byte": [], "loss": []}
    for row in choice_rows(30):
        own = [nats[place + i] for i in range(len(row["choices"]))]
        per_byte = [nat / len(text) for nat, text in zip(own, row["choices"], strict=True)]
        right["accuracy"].append(float(own.index(min(own)) == row["answer"]))
        right["accuracy_per_byte"].append(float(per_byte.index(min(per_byte)) == row["answer"]))
        right["loss"].append(own[row["answer"]])
        place += len(own)
    for name, values in right.items():
        assert list(outcome.values[name]) == values
        mean = sum(values) / 30
        error = math.sqrt(sum((value - mean) ** 2 for value in values) / 29 / 30)
        found = outcome.metrics[name]
        assert (found.value, found.standard_error) == pytest.approx((mean, error))
        assert found.n == 30
    assert 0 < outcome.metrics["accuracy"].value < 1
    # A token is a byte here, and the blank before a choice is one too.
    assert right["accuracy"] != right["accuracy_per_byte"] != outcome.values["accuracy_per_token"]
    assert outcome.items == [str(row) for row in range(1, 31)]


def test_a_last_word_is_right_if_every_token_is_the_likeliest(
    tmp_path: Path, config: Model, model_file: Path, vocabulary: Path, encoding: tiktoken.Encoding
) -> None:
    model = load_model(model_file, config, "explicit", torch.device("cpu"))

    def likeliest(text: str) -> str:
        with torch.inference_mode():
            return chr(int(model(torch.tensor([encoding.encode_ordinary(text)]))[0, -1].argmax()))

    begins = [begin for begin in map(chr, range(33, 127)) if "!" <= likeliest(begin) <= "~"]
    said = {begin: likeliest(begin) for begin in begins[:3]}
    rows = [{"context": begin, "target": one} for begin, one in said.items()]
    rows += [{"context": begin, "target": f"{one}§"} for begin, one in said.items()]
    items = write_rows(tmp_path / "last.jsonl", rows)
    outcome = measured(tmp_path, config, model_file, vocabulary, items, delimiter="")
    assert outcome.about["form"] == "last word"
    assert set(outcome.metrics) == {"accuracy", "loss"}
    assert outcome.values["accuracy"] == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]


@pytest.mark.bits
@pytest.mark.parametrize("attention", ["explicit", "sdpa"])
@pytest.mark.parametrize(("width", "heads"), [(10, 2), (21, 3), (12, 1), (48, 4), (120, 2)])
def test_an_item_has_the_same_bits_beside_any_others(
    tmp_path: Path, encoding: tiktoken.Encoding, width: int, heads: int, attention: AttentionKind
) -> None:
    """Also where a head's width is no multiple of 4, so that one continuation is read at a time."""
    model = Model(vocabulary=257, context=79, width=width, heads=heads, layers=1)
    save_file(initial_weights(model, "keyed", 1), tmp_path / "model.safetensors")
    network = load_model(tmp_path / "model.safetensors", model, attention, torch.device("cpu"))
    file = write_rows(tmp_path / "items.jsonl", choice_rows(40))
    questions = read_questions(Choice(file=str(file)), encoding, model.context)
    every = [one for question in questions for one in question.continuations]
    assert {-(-len(one.window(79)) // 64) for one in every} == {1, 2}

    def found(places: list[int]) -> dict[int, Scored]:
        batches = scores(network, [every[place] for place in places], 16)
        return {places[place]: score for batch in batches for place, score in batch}

    whole, draw = found(list(range(len(every)))), random.Random(1)
    assert len(whole) == len(every)
    for count in (len(every), 40, 5, 1):
        places = draw.sample(range(len(every)), count)
        assert found(places) == {place: whole[place] for place in places}


@pytest.mark.bits
def test_a_killed_evaluation_goes_on_where_it_stopped(
    tmp_path: Path, config: Model, model_file: Path, vocabulary: Path, items: Path
) -> None:
    whole = measured(tmp_path / "whole", config, model_file, vocabulary, items)
    given = params(config, choice={"file": str(items)})

    class Killed(Exception):
        pass

    def kill(done: int, of: int) -> None:
        if done >= 32:
            raise Killed

    work = tmp_path / "killed"
    with pytest.raises(Killed):
        choose_file(given, model_file, vocabulary, Journal(work, "key"), kill)
    with open(work / "scores.jsonl", "a") as file:
        file.write("[70, 1.2")  # a line that the kill cut off
    reports: list[int] = []
    journal = Journal(work, "key")
    assert len(journal.known) == 32
    resumed = choose_file(
        given, model_file, vocabulary, journal, lambda done, of: reports.append(done)
    )
    assert resumed == whole
    assert reports[0] == 48
    assert not Journal(work, "another key").known


def test_a_model_that_diverged_has_no_accuracy(
    tmp_path: Path, config: Model, model_file: Path, vocabulary: Path, items: Path
) -> None:
    weights = load_file(model_file)
    weights["final_norm.scale"].fill_(math.nan)
    save_file(weights, tmp_path / "nan.safetensors")
    outcome = measured(tmp_path, config, tmp_path / "nan.safetensors", vocabulary, items)
    assert all(math.isnan(one.value) and one.n == 30 for one in outcome.metrics.values())
    assert len(outcome.metrics) == 4


def test_a_choice_longer_than_the_context_is_named(
    tmp_path: Path, encoding: tiktoken.Encoding
) -> None:
    rows = [{"context": "a", "choices": ["b", "c" * 40], "answer": 0}]
    choice = Choice(file=str(write_rows(tmp_path / "long.jsonl", rows)))
    with pytest.raises(UserError) as caught:
        read_questions(choice, encoding, 40)
    assert str(caught.value) == (
        f"{choice.file}: row 1: choices.1: has 41 tokens, more than the context of 40; shorten it, "
        "or remove the row"
    )
    assert read_questions(choice, encoding, 41)


def test_blanks_before_a_continuation_belong_to_it(encoding: tiktoken.Encoding) -> None:
    assert encoded(encoding, "so ", "it").tokens == list(b" it")
    assert encoded(encoding, "so", " it") == encoded(encoding, "so ", "it")
    nothing = encoded(encoding, " ", "it")
    assert (nothing.context, nothing.tokens) == ([256], list(b" it"))
    gpt2 = tiktoken.Encoding(
        "merged",
        pat_str=encoding._pat_str,
        mergeable_ranks={**{bytes([i]): i for i in range(256)}, b"un": 257},
        special_tokens={"<|endoftext|>": 256},
    )
    merged = encoded(gpt2, "u", "nfit")
    assert (merged.context, merged.tokens) == ([ord("u")], list(b"nfit"))
