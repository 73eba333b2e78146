"""A study of two tokenizers of one's own, executed: what each run reads, and how they compare."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

from noiseband.analysis.rows import DocumentsRow, RunRow, VerdictRow
from noiseband.corpus.token_file import open_tokens
from noiseband.evaluate.documents import DocumentBits
from noiseband.io.files import read_json
from noiseband.io.metrics import read_metrics
from noiseband.io.tables import read_rows
from noiseband.model.gpt import GPT
from noiseband.study.recipe import Recipe
from tests.own_tokenizers import byte_level, sentencepiece
from tests.workflow.project import Project

STUDY = Path(__file__).parent / "vocabularies.yaml"
WORDS = "The king said unto his people that in the land by the sea a house of stone was great"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("vocabularies"), STUDY)
    draw = random.Random(1)
    texts = [
        "  ".join(draw.choices([*WORDS.split(), "Ünïcödé", "世界"], k=draw.randint(1, 120)))
        for _ in range(60)
    ]
    data = made.folder / "data"
    data.mkdir()
    (made.folder / "texts").mkdir()
    lines = (json.dumps({"text": text}) + "\n" for text in texts)
    (made.folder / "texts/prose.jsonl").write_text("".join(lines))
    (data / "tokenizer.json").write_text(byte_level(texts, 300))
    (data / "pieces.model").write_bytes(sentencepiece(texts, 48))
    choices = {"choices": ["a house", "the sea"], "answer": 1}
    items = [{"context": text[:40], **choices} for text in texts[:8]]
    (data / "choices.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    rows = [{"instruction": text[:30], "input": "", "output": text[30:60]} for text in texts[:16]]
    (data / "rows.json").write_text(json.dumps(rows))
    done = made.snakemake()
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return made


def texts_of(project: Project) -> list[str]:
    lines = (project.results / "corpus/words/test.jsonl").read_text().splitlines()
    return [json.loads(line)["text"] for line in lines]


def test_the_tokens_are_those_of_the_libraries(project: Project) -> None:
    own = Tokenizer.from_file(str(project.folder / "data/tokenizer.json"))
    pieces = SentencePieceProcessor(model_file=str(project.folder / "data/pieces.model"))
    words, spelled = [], []
    for text in texts_of(project):
        words += [*own.encode(text, add_special_tokens=False).ids, 0]
        spelled += [*pieces.encode(text), pieces.eos_id()]
    tokens = project.results / "tokens"
    assert open_tokens(tokens / "words/test.safetensors").tolist() == words
    assert open_tokens(tokens / "pieces/test.safetensors").tolist() == spelled


def test_bits_per_byte_are_those_of_an_independent_computation(project: Project) -> None:
    texts = texts_of(project)
    size = sum(len(text.encode()) for text in texts)
    for run, corpus, end in (("baseline-42", "words", 0), ("pieces-42", "pieces", 2)):
        folder = project.results / "runs" / run
        config = Recipe.model_validate(read_json(folder / "recipe.json")["recipe"]).model
        model = GPT(config, "explicit").eval()
        model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        ids = [end, *open_tokens(project.results / f"tokens/{corpus}/test.safetensors").tolist()]
        bits = 0.0
        for begin in range(0, len(ids) - 1, config.context):
            piece = torch.tensor([ids[begin : begin + config.context + 1]])
            with torch.no_grad():
                logs = model(piece[:, :-1]).double().log_softmax(-1)
            bits -= float(logs[0].gather(1, piece[0, 1:, None]).sum()) / math.log(2)
        found = read_json(folder / "test_loss.json")
        assert found["unit"] == "bits-per-byte"
        assert (found["bytes"], found["tokens"]) == (size, len(ids) - 1)
        assert found["test_loss"] == found["bits_per_byte"] == pytest.approx(bits / size, rel=1e-5)
        each = read_rows(folder / "test_documents.csv", DocumentBits)
        assert [one.bytes for one in each] == [len(text.encode()) for text in texts]
        assert sum(one.bits for one in each) == pytest.approx(bits, rel=1e-5)
        # Batches of another shape, as a further evaluation.
        again = read_metrics(folder / "evaluations/again.json")
        assert again["loss"].value == pytest.approx(bits / size, rel=1e-5)


def test_the_verdict_is_about_bits_per_byte(project: Project) -> None:
    tables = project.results / "tables"
    values = {row.run: row.value or math.nan for row in read_rows(tables / "runs.csv", RunRow)}
    for run, value in values.items():
        loss = read_json(project.results / "runs" / run / "test_loss.json")["test_loss"]
        assert value == pytest.approx(loss)
    (verdict,) = read_rows(tables / "verdicts.csv", VerdictRow)
    assert verdict.effect == pytest.approx(
        sum(values[f"pieces-{seed}"] - values[f"baseline-{seed}"] for seed in (42, 43)) / 2
    )
    (documents,) = read_rows(tables / "documents.csv", DocumentsRow)
    assert documents.tokens == sum(len(text.encode()) for text in texts_of(project))
    assert documents.difference == pytest.approx(values["pieces-42"] - values["baseline-42"])


def test_no_table_and_no_page_compares_nats(project: Project) -> None:
    runs = read_rows(project.results / "tables/runs.csv", RunRow)
    assert {row.final_train_loss for row in runs} == {None}
    page = (project.results / "report.html").read_text()
    assert "bits per byte" in page and "Losses are in bits per byte" in page
    # The one loss in nats that does not depend on a vocabulary: that of a whole text. Losses while
    # training are those of the baseline alone.
    named = set(re.findall(r"[\w., ]*\bnats\b", page))
    assert named == {"choose.loss, nats", "nats", "Training loss, nats"}
    drawn = (project.results / "figures/loss.svg").read_text()
    assert "baseline-42" in drawn and "pieces-42" not in drawn


def test_everything_after_pretraining_reads_them(project: Project) -> None:
    for run in ("baseline-42", "pieces-42"):
        folder = project.results / "runs" / run
        (answers,) = folder.glob("ift/short/*/answers.jsonl")
        assert len(answers.read_text().splitlines()) == 3
        assert 0 <= read_metrics(folder / "evaluations/choose.json")["accuracy"].value <= 1
        sample = json.loads((folder / "samples.jsonl").read_text().splitlines()[-1])
        assert isinstance(sample["text"], str) and sample["text"]


def test_a_tokenizer_that_changes_trains_its_runs_again(project: Project) -> None:
    file = project.folder / "data/pieces.model"
    lines = (project.folder / "texts/prose.jsonl").read_text().splitlines()
    every_text = [json.loads(line)["text"] for line in lines]
    before = file.read_bytes()
    assert project.planned() == {}
    file.write_bytes(sentencepiece(every_text, 48, "bpe"))
    try:
        planned = project.planned()
        assert planned["train"] == {"pieces-42", "pieces-43"}
        assert {"vocabulary", "tokenize"} <= planned.keys()
    finally:
        file.write_bytes(before)
