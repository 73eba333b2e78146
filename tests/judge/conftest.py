"""An endpoint, answers to judge, and short waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noiseband.io.files import read_jsonl, write_text
from noiseband.judge import asking
from noiseband.judge.judge import judge_files
from noiseband.study.judges import OpenAIJudge
from tests.judge.server import Endpoint, running

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(asking, "LONGEST_BACKOFF", 0.02)
    with running() as endpoint:
        yield endpoint


def write_answers(folder: Path, answers: dict[str, list[str]]) -> list[Path]:
    """Write files with the answers of models `<run>/<seed>` to numbered questions."""
    files = []
    for model, texts in answers.items():
        run, seed = model.split("/")
        files.append(folder / "runs" / run / "ift" / "one" / seed / "answers.jsonl")
        rows = [
            {"instruction": f"Question {number}?", "input": "", "reference": "Yes.", "answer": text}
            for number, text in enumerate(texts)
        ]
        # In ASCII, because UTF-8 cannot encode lone surrogates.
        write_text(files[-1], "".join(json.dumps(row) + "\n" for row in rows))
    return files


ANSWERS = {
    "a-42/1": [f"I say {10 + question}." for question in range(4)],
    "b-42/1": [f"I say {20 + question}." for question in range(4)],
    "c-42/7": [f"I say {30 + question}." for question in range(4)],
}

Judged = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def told() -> list[str]:
    """The sentences that the user was told, in order."""
    return []


@pytest.fixture
def judged(tmp_path: Path, endpoint: Endpoint, told: list[str]) -> Judged:
    """Judge answers with the endpoint; return the rows of the round."""

    def judge(
        answers: dict[str, list[str]] = ANSWERS, round: int = 1, **config: Any
    ) -> list[dict[str, Any]]:
        given = {"kind": "openai", "base_url": endpoint.base_url, "model": "judge", **config}
        files = write_answers(tmp_path, answers)
        out = tmp_path / "judge" / "one" / f"round-{round}.jsonl"
        out.unlink(missing_ok=True)
        judge_files(OpenAIJudge(**given), round, files, tmp_path / "store", out, tell=told.append)
        return read_jsonl(out)

    return judge


def scores(rows: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    """The scores of each model, in the order of the questions."""
    return {model: [row["scores"][model]["score"] for row in rows] for model in rows[0]["scores"]}
