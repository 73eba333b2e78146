"""A fine-tuned model's answers to the test questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tiktoken

from noiseband.corpus.vocabulary import load_encoding
from noiseband.determinism import make_deterministic, pick_device
from noiseband.files import write_jsonl
from noiseband.finetune.data import encode_prompt
from noiseband.finetune.rows import Row, read_rows
from noiseband.model.generate import generate
from noiseband.model.gpt import AttentionKind
from noiseband.model.load import load_model
from noiseband.study.config import Protocol
from noiseband.study.recipe import Model


def respond_file(
    config: Model,
    attention: AttentionKind,
    protocol: Protocol,
    model: Path,
    vocabulary: Path,
    rows: Path,
    out: Path,
) -> None:
    """`respond` with rows and encoding read from their files, written to `out` as JSONL."""
    encoding = load_encoding(vocabulary)
    write_jsonl(out, respond(model, config, attention, read_rows(rows), encoding, protocol))


def respond(
    model_file: Path,
    config: Model,
    attention: AttentionKind,
    rows: Sequence[Row],
    encoding: tiktoken.Encoding,
    protocol: Protocol,
) -> list[dict[str, Any]]:
    """Greedy answers to the `test` rows, in their order.

    Each has `instruction`, `input`, `reference`, `answer` (white space at its ends removed),
    `tokens` (generated, without end-of-text) and `stop`: `end of text`, or `length` after
    `max_new_tokens` or where the context is full, since beyond it the question would slide out of
    sight. Questions are answered one at a time: an answer's bits depend on nothing else.

    Raises UserError for a model file that does not fit the config, and for a row whose prompt
    leaves no room for an answer.
    """
    make_deterministic(threads=1, precision="float32")
    model = load_model(model_file, config, attention, pick_device())
    answers = []
    for row in rows:
        if row.split != "test":
            continue
        prompt = encode_prompt(row, encoding, protocol.template, config.context)
        limit = min(protocol.max_new_tokens, config.context + 1 - len(prompt))
        tokens = generate(model, prompt, limit, stop=encoding.eot_token)
        answers.append(
            {
                "instruction": row.instruction,
                "input": row.input,
                "reference": row.output,
                "answer": encoding.decode(tokens).strip(),
                "tokens": len(tokens),
                "stop": "length" if len(tokens) == limit else "end of text",
            }
        )
    return answers
