"""A small study that is really trained: tokens, runs, test losses and tables on disk."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import torch

from noiseband.analysis import inference
from noiseband.analysis.measurements import measurement_rows, values
from noiseband.analysis.noise import noise_rows
from noiseband.analysis.outcomes import outcome
from noiseband.analysis.rows import NoiseRow, RunRow, VerdictRow
from noiseband.analysis.tables import run_rows, with_values
from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.tokens import tokenize
from noiseband.corpus.vocabulary import build_vocabulary, load_encoding
from noiseband.evaluate.loss import evaluate_file
from noiseband.io.files import write_json, write_jsonl
from noiseband.io.tables import write_rows
from noiseband.model.init import write_init
from noiseband.repro.provenance import write_provenance
from noiseband.study import Run, Study
from noiseband.study.load import parse_study
from noiseband.study.params import EvaluateParams, InitParams, TrainParams
from noiseband.study.table_params import TablesParams
from noiseband.study.vocabularies import tokenizer_of
from noiseband.train.account import Account
from noiseband.train.loop import train
from noiseband.train.segments import segments_of
from noiseband.train.trainer import Job
from tests.conftest import STUDY

TITLE = "A | title with <b>marks</b>\nand `code`"
LICENCE = "public | domain <script>"
QWEN = {
    "model.norm.kind": "rms",
    "model.positions.kind": "rotary",
    "model.attention.qk_norm": True,
    "model.attention.bias": False,
    "model.feed_forward.kind": "swiglu",
    "model.feed_forward.bias": False,
}
"""What makes a model one that Qwen3ForCausalLM computes."""


def config(results: Path) -> dict[str, Any]:
    """The config: two baseline runs and three with a change, of eight steps each."""
    return copy.deepcopy(STUDY) | {
        "title": TITLE,
        "results": str(results),
        "interventions": {
            "clip": {"optimizer.clip_norm": 0.05},
            "bias": {"model.qkv_bias": True},
            "qwen": QWEN,
        },
        "seeds": {"default": [], "clip": [42], "bias": [42], "qwen": [42]},
        "noise": {"init_and_train": [42, 22]},
        "runs": [],
    }


def trained_study(results: Path) -> Study:
    """The study with all files of its runs, and its tables."""
    study = parse_study(config(results))
    _write_tokens(study)
    for run in study.runs.values():
        _train(study, run)
    write_tables(study)
    return study


def copied(study: Study, results: Path, **sections: Any) -> Study:
    """The study with other sections, and with a copy of its results that may be changed."""
    shutil.copytree(study.results, results)
    return parse_study(config(results) | sections)


def write_tables(study: Study) -> None:
    """Write the tables from which a card is made."""
    params, tables = TablesParams.of(study), study.results / "tables"
    measurements = measurement_rows(params, study.results)
    losses = values(measurements, params.primary.name)
    runs = with_values(params, run_rows(params, study.results), losses)
    found = outcome(params, runs, params.primary, losses)
    write_rows(tables / "runs.csv", RunRow, inference.with_residuals(runs, found.study))
    write_rows(tables / "verdicts.csv", VerdictRow, found.verdicts)
    write_rows(tables / "noise.csv", NoiseRow, noise_rows(runs, params.noise, params.alpha))


def _write_tokens(study: Study) -> None:
    corpus, tokens = study.results / "corpus/text", study.results / "tokens/text"
    words = Path("README.md").read_text(encoding="utf-8").split("\n\n")
    for split, part in (("train", words), ("validation", words[:3]), ("test", words[:9])):
        rows = ({"id": str(i), "text": text} for i, text in enumerate(part))
        write_jsonl(corpus / f"{split}.jsonl", rows)
    source = {"package": "readme", "version": "1.0", "licence": LICENCE}
    write_json(corpus / "card.json", {"sources": [source]})
    tokenizer = tokenizer_of(study.config.corpora, "text")
    build_vocabulary(tokenizer, corpus / "train.jsonl", tokens / "vocabulary.tiktoken")
    tokenize(corpus, tokens / "vocabulary.tiktoken", None, tokens)


def _train(study: Study, run: Run) -> None:
    results, params = study.results, TrainParams.of(study, run)
    tokens, out = results / "tokens/text", results / "runs" / run.name
    init, start = study.start_file(run), InitParams.of(run.built_in)
    write_init(start.model, start.method, start.seed, init, init.with_suffix(".json"))
    vocabulary = tokens / "vocabulary.tiktoken"
    (out / "work").mkdir(parents=True)
    train(
        Job(
            params=params,
            tokens=open_tokens(tokens / "train.safetensors"),
            encoding=load_encoding(vocabulary),
            init=init,
            work=out / "work",
            out=out,
        ),
        watch=Account,
    )
    inputs = {"tokens": tokens / "train.safetensors", "vocabulary": vocabulary, "init": init}
    segments = segments_of(out / "work", params.recipe.steps)
    write_provenance(out, params, inputs, torch.device("cpu"), 1, segments)
    evaluate(study, run.name)


def evaluate(study: Study, name: str) -> None:
    """Write the test loss of a run or of a pretrained model."""
    given = EvaluateParams.of(study, study.models[name])
    folder, tokens = study.results / "runs" / name, study.results / "tokens/text"
    evaluate_file(
        given.model,
        given.attention,
        given.evaluation,
        folder / "model.safetensors",
        tokens / "test.safetensors",
        tokens / "vocabulary.tiktoken",
        folder / "test_loss.json",
        folder / "test_documents.csv",
    )
