"""Generate a fine-tuned model's answers to the test questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from noiseband.corpus.vocabulary import Encoding, load_encoding
from noiseband.determinism import make_deterministic, pick_device
from noiseband.finetune.prompts import encode_prompt
from noiseband.finetune.rows import Row, read_rows
from noiseband.io.files import write_jsonl
from noiseband.model.attention import AttentionKind
from noiseband.model.generate import for_few_rows, generate
from noiseband.model.load import load_model
from noiseband.model.sampling import Sampling
from noiseband.randomness import derived_seed
from noiseband.study.architecture import Model
from noiseband.study.config import Protocol

Report = Callable[[int, int], None]
"""Takes the number of answered questions and the number of all questions."""


def respond_file(
    config: Model,
    attention: AttentionKind,
    protocol: Protocol,
    model: Path,
    vocabulary: Path,
    rows: Path,
    out: Path,
    report: Report = lambda done, questions: None,
) -> None:
    """Call `respond` with rows and encoding from their files, and write the answers as JSONL."""
    encoding = load_encoding(vocabulary)
    asked = read_rows(rows)
    write_jsonl(out, respond(model, config, attention, asked, encoding, protocol, report))


def respond(
    model_file: Path,
    config: Model,
    attention: AttentionKind,
    rows: Sequence[Row],
    encoding: Encoding,
    protocol: Protocol,
    report: Report = lambda done, questions: None,
) -> list[dict[str, Any]]:
    """The answers to the `test` rows, in the order of the rows.

    Each has `instruction`, `input` (after the turns before the question, if any), `reference`,
    `answer` (without white space at its ends), `tokens` (generated, without end-of-text) and
    `stop`. `stop` is `end of text`, or `length` after `max_new_tokens` or when the context is full,
    because beyond it the model would no longer see the question. The bits of an answer do not
    depend on the other questions.

    Raises UserError if the model file does not fit the config, or a row's prompt leaves no room for
    an answer.
    """
    make_deterministic(threads=1, precision="float32")
    asked = [row for row in rows if row.split == "test"]
    prompts = [encode_prompt(row, encoding, protocol.template, config.context) for row in asked]
    model = for_few_rows(load_model(model_file, config, attention, pick_device()))
    options = protocol.answers
    given = generate(
        model,
        prompts,
        protocol.max_new_tokens,
        rows=options.rows,
        sampling=Sampling(options.temperature, options.top_k, options.top_p),
        seeds=[derived_seed("respond", options.seed, row.number) for row in asked],
        stop=encoding.eot_token,
        slide=False,
        report=lambda done: report(done, len(asked)),
    )
    answers = []
    for row, prompt, tokens in zip(asked, prompts, given, strict=True):
        limit = min(protocol.max_new_tokens, config.context + 1 - len(prompt))
        answers.append(
            {
                "instruction": row.instruction,
                "input": row.material,
                "reference": row.output,
                "answer": encoding.decode(tokens).strip(),
                "tokens": len(tokens),
                "stop": "length" if len(tokens) == limit else "end of text",
            }
        )
    return answers
