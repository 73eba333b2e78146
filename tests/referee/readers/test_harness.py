"""Results of lm-evaluation-harness, written by hand in its documented format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from tests.referee.readers.files import cells, only, written

DOCUMENT: dict[str, Any] = {
    "results": {
        "hellaswag": {
            "alias": "hellaswag",
            "sample_len": 10042,
            "acc,none": 0.2891,
            "acc_stderr,none": 0.0045,
            "acc_norm,none": 0.3102,
            "acc_norm_stderr,none": 0.0046,
        },
        "gsm8k": {
            "alias": "gsm8k",
            "exact_match,strict-match": 0.01,
            "exact_match_stderr,strict-match": 0.002,
            "exact_match,flexible-extract": 0.02,
            "exact_match_stderr,flexible-extract": "N/A",
        },
        "mmlu": {"alias": "mmlu", "acc,none": " ", "acc_stderr,none": " "},
    },
    "versions": {"hellaswag": 1.0},
    "n-shot": {"hellaswag": 0},
    "model_name": "out/base-s1",
}


def test_each_metric_of_each_task_is_a_column(tmp_path: Path) -> None:
    raw = only(written(tmp_path, json.dumps(DOCUMENT, indent=2), "results_2026.json"))
    metrics = [
        "hellaswag acc",
        "hellaswag acc_norm",
        "gsm8k exact_match,strict-match",
        "gsm8k exact_match,flexible-extract",
    ]
    assert cells(raw) == [["run", *metrics], ["out/base-s1", 0.2891, 0.3102, 0.01, 0.02]]
    assert raw.metrics == metrics


def test_older_results_have_no_filters_and_no_name(tmp_path: Path) -> None:
    older = {"results": {"lambada": {"acc": 0.4, "acc_stderr": 0.01, "ppl": 20.5}}}
    (tmp_path / "base-s1").mkdir()
    raw = only(written(tmp_path / "base-s1", json.dumps(older), "results.json"))
    assert cells(raw) == [["run", "lambada acc", "lambada ppl"], ["base-s1", 0.4, 20.5]]


def test_results_without_a_score_are_told(tmp_path: Path) -> None:
    document = {"results": {"mmlu": DOCUMENT["results"]["mmlu"]}}
    with pytest.raises(UserError, match=r"r\.json: no task in it has a score"):
        only(written(tmp_path, json.dumps(document), "r.json"))
