"""Multiple choice and last words: the text that a model finds likeliest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from noiseband.corpus.vocabulary import load_encoding
from noiseband.determinism import make_deterministic, pick_device
from noiseband.evaluate.continuations import Scored, scores
from noiseband.evaluate.items import Item
from noiseband.evaluate.journal import Journal
from noiseband.evaluate.outcome import Outcome, mean_of
from noiseband.evaluate.questions import Question, read_questions
from noiseband.model.load import load_model
from noiseband.study.evaluation_params import EvaluationParams

Report = Callable[[int, int], None]
"""Takes the number of continuations that are scored and the number of all."""


def choose_file(
    params: EvaluationParams,
    model: Path,
    vocabulary: Path,
    journal: Journal,
    report: Report = lambda done, of: None,
) -> Outcome:
    """Score the items of a file with a model; what the journal knows is not computed again.

    The metrics, each a mean over items with its standard error:

    - `accuracy`: the share of items whose right choice has the highest log-likelihood; of items
      with a target, the share whose target is the likeliest at every token;
    - `accuracy_per_token`, `accuracy_per_byte`: the same by log-likelihood per token or byte of the
      choice (only with choices). Of equal choices, the first counts;
    - `loss`: minus the log-likelihood of the right text, in nats.

    Raises UserError if a row of the file is bad, or a choice has more tokens than the context.
    """
    make_deterministic(threads=1, precision="float32")
    chosen, config = params.evaluation.choice, params.network
    assert chosen is not None  # The rule asks only for evaluations of this kind.
    questions = read_questions(chosen, load_encoding(vocabulary), config.context)
    every = [one for question in questions for one in question.continuations]
    left = [place for place in range(len(every)) if place not in journal.known]
    if left:
        network = load_model(model, config, params.attention, pick_device())
        for batch in scores(network, [every[place] for place in left], chosen.rows):
            journal.add((left[place], score) for place, score in batch)
            report(len(journal.known), len(every))
    found = iter([journal.known[place] for place in range(len(every))])
    scored = [[next(found) for _ in question.continuations] for question in questions]
    about: dict[str, Any] = {
        "file": chosen.file,
        "files_sha256": params.files,
        "form": "last word" if questions[0].item.last_word else "choices",
        "items": len(questions),
        "truncated": sum(one.cut(config.context) for one in every),
    }
    return judged(questions, scored, about)


def judged(
    questions: Sequence[Question], scored: Sequence[Sequence[Scored]], about: dict[str, Any]
) -> Outcome:
    """The metrics of items whose continuations are scored."""
    values: dict[str, list[float]] = {}
    for question, each in zip(questions, scored, strict=True):
        for name, value in _of_item(question, each).items():
            values.setdefault(name, []).append(value)
    return Outcome(
        {name: mean_of(column) for name, column in values.items()},
        about,
        [question.item.name for question in questions],
        values,
    )


def _of_item(question: Question, scored: Sequence[Scored]) -> dict[str, float]:
    item, nats = question.item, [one.nats for one in scored]
    if item.last_word:
        right = float(scored[0].greedy) if math.isfinite(nats[0]) else math.nan
        return {"accuracy": right, "loss": nats[0]}
    tokens = [len(one.tokens) for one in question.continuations]
    return {
        "accuracy": _right(item, nats, [1] * len(nats)),
        "accuracy_per_token": _right(item, nats, tokens),
        "accuracy_per_byte": _right(item, nats, question.bytes),
        "loss": nats[item.answer],
    }


def _right(item: Item, nats: Sequence[float], lengths: Sequence[int]) -> float:
    """1 if the right choice has the fewest nats per length; NaN if the model diverged."""
    rates = [one / length for one, length in zip(nats, lengths, strict=True)]
    if not all(map(math.isfinite, rates)):
        return math.nan
    return float(rates.index(min(rates)) == item.answer)
