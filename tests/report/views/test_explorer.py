"""The compressed data of the explorer and the timeline are complete and equal to the files."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

from noiseband.analysis.rows import RunRow
from noiseband.analysis.tuning_rows import FinetuningRow
from noiseband.io.files import read_jsonl, write_text
from noiseband.io.tables import read_rows
from noiseband.report.packed import packed
from noiseband.report.views.explorer import explorer
from tests.fake_runs import BASELINES, FakeRun
from tests.pages import Made, make
from tests.report import hostile_text as hostile
from tests.small_study import ANSWERS, QUESTIONS, write_study


def unpacked(page: str, name: str) -> Any:
    (text,) = re.findall(rf'<script type="[^"]*" id="{name}">([^<]*)</script>', page)
    return json.loads(gzip.decompress(base64.b64decode(text)))


def test_packed_text_is_inert_equal_and_whole() -> None:
    value = {"x": [hostile.ALL, 0.1, None]}
    text = packed(value)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", text)
    assert packed(value) == text
    raw = base64.b64decode(text)
    assert json.loads(gzip.decompress(raw)) == value
    assert raw[4:8] == bytes(4)  # no date


def test_every_answer_score_and_reason_is_carried(made: Made) -> None:
    (protocol,) = unpacked(made.page, "explorer-data")["protocols"]
    assert protocol["name"] == "alpaca"
    assert [tuple(question) for question in protocol["questions"]] == QUESTIONS
    lines = read_jsonl(made.results / "judge" / "alpaca" / "round-1.jsonl")
    assert len(protocol["models"]) == len(lines[0]["scores"]) == 23
    for place, (run, seed) in enumerate(protocol["models"]):
        given = [line["scores"][f"{run}/{seed}"] for line in lines]
        assert protocol["scores"][0][place] == [each["score"] for each in given]
        assert protocol["reasons"][0][place] == [each["reason"] for each in given]
        file = made.results / "runs" / run / "ift" / "alpaca" / str(seed) / "answers.jsonl"
        assert protocol["answers"][place] == [row["answer"] for row in read_jsonl(file)]


def test_every_sample_of_every_run_is_carried_the_baseline_s_first(made: Made) -> None:
    runs = unpacked(made.page, "samples-data")
    assert runs[0][0] == made.params.baseline
    assert {run for run, _ in runs} == set(made.params.runs) - {"baseline-42-again"}
    for run, samples in runs:
        lines = read_jsonl(made.results / "runs" / run / "samples.jsonl")
        assert samples == [[line["step"], line["prompt"], line["text"]] for line in lines]


def test_twins_are_named_and_what_is_missing_is_none(tmp_path: Path) -> None:
    twin = FakeRun("cloud", 4.86, difference={"batch.microbatch": [4, 8]})
    models = ["baseline-42/alpaca/42", "cloud/alpaca/42", "baseline-22/chat/42"]
    params = write_study(tmp_path, [*BASELINES[:2], twin], steps=20, models=models, rounds=2)
    file = tmp_path / "judge" / "alpaca" / "round-2.jsonl"
    write_text(file, "".join(file.read_text().splitlines(keepends=True)[:-1]))
    (tmp_path / "judge" / "chat" / "round-1.jsonl").unlink()
    (tmp_path / "judge" / "chat" / "round-2.jsonl").unlink()
    make(tmp_path, params)
    (tmp_path / "runs" / "cloud" / "ift" / "alpaca" / "42" / "answers.jsonl").unlink()
    rows = read_rows(tmp_path / "tables" / "finetuning.csv", FinetuningRow)
    found = explorer(tmp_path, rows, read_rows(tmp_path / "tables" / "runs.csv", RunRow))
    assert found is not None
    (protocol,) = found["protocols"]
    assert found["twins"] == [["baseline-42", "cloud"]]
    assert protocol["rounds"] == [1, 2]
    assert protocol["answers"] == [ANSWERS[: len(QUESTIONS)], [None] * len(QUESTIONS)]
    assert [scores[-1] for scores in protocol["scores"][1]] == [None, None]
    assert all(scores[-1] is not None for scores in protocol["scores"][0])
    assert explorer(tmp_path, [], []) is None
