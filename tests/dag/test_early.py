"""What a judge or the harness will miss is said when a study starts; the workflow that does so is
in tests/workflow."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noiseband.dag import early
from noiseband.dag.early import missing, warn_of_adapters, warn_of_harness, warn_of_judge
from noiseband.study.config import Finetuning, Protocol
from noiseband.study.evaluations import FurtherEvaluation, Harness
from noiseband.study.instructions import FileRows, Lora
from noiseband.study.judges import ChrfJudge, LocalJudge, OpenAIJudge

ENDPOINT = OpenAIJudge(
    kind="openai", base_url="http://localhost:1/v1", model="m", api_key_env="KEY_OF_A_JUDGE"
)


def test_a_key_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_A_JUDGE", " ")
    assert [*missing(ENDPOINT)] == [
        "judge.api_key_env: KEY_OF_A_JUDGE is not set; export it before judging begins"
    ]
    monkeypatch.setenv("KEY_OF_A_JUDGE", "secret")
    assert not [*missing(ENDPOINT)]
    assert not [*missing(ENDPOINT.model_copy(update={"api_key_env": None}))]


def test_a_local_judge_needs_its_file_and_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "judge.gguf"
    judge = LocalJudge(kind="local", file=str(file), sha256="0" * 64)
    monkeypatch.setattr(early, "find_spec", lambda name: None)
    said = " ".join(missing(judge))
    assert f"judge.file: {file} is not there" in said and "xllamacpp" in said
    file.touch()
    monkeypatch.setattr(early, "find_spec", lambda name: name)
    assert not [*missing(judge)]
    assert not [*missing(ChrfJudge(kind="chrf"))]


@pytest.mark.parametrize(
    ("rules", "nodes", "told"),
    [(["train", "judge"], None, True), (["train"], None, False), (["judge"], 3, False)],
)
def test_only_who_will_judge_here_is_told(
    rules: list[str],
    nodes: int | None,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("KEY_OF_A_JUDGE", raising=False)
    jobs = [SimpleNamespace(rule=SimpleNamespace(name=name)) for name in rules]
    workflow: Any = SimpleNamespace(nodes=nodes, dag=SimpleNamespace(needrun_jobs=lambda: jobs))
    warn_of_judge(workflow, ENDPOINT)
    assert ("KEY_OF_A_JUDGE is not set" in capsys.readouterr().err) == told


@pytest.mark.parametrize(
    ("rules", "installed", "told"),
    [
        (["train", "evaluate_harness"], False, True),
        (["train", "evaluate_harness"], True, False),
        (["train"], False, False),
    ],
)
def test_a_harness_that_is_not_installed_is_told(
    rules: list[str],
    installed: bool,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(early, "find_spec", lambda name: name if installed else None)
    jobs = [SimpleNamespace(rule=SimpleNamespace(name=name)) for name in rules]
    workflow: Any = SimpleNamespace(nodes=None, dag=SimpleNamespace(needrun_jobs=lambda: jobs))
    evaluations = {
        "mine": FurtherEvaluation(command="eval {out}"),
        "tasks": FurtherEvaluation(harness=Harness(tasks=["hellaswag"])),
    }
    warn_of_harness(workflow, evaluations)
    said = capsys.readouterr().err
    wanted = "evaluations.tasks.harness: needs the package lm-eval; run `pip install 'noiseband["
    assert (wanted in said) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, True),
        ({"rules": ["train_command"]}, False),
        ({"installed": True}, False),
        ({"trainer": None}, False),
        ({"method": "full"}, False),
    ],
)
def test_adapters_of_a_commands_models_need_their_package(
    changes: dict[str, Any],
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = {"rules": ["finetune"], "installed": False, "trainer": "a command", "method": "lora"}
    case = SimpleNamespace(**{**usual, **changes})
    monkeypatch.setattr(early, "find_spec", lambda name: name if case.installed else None)
    lora = Lora(rank=1, alpha=1, dropout=0.0, targets=["W_query"])
    protocol = Protocol(
        instructions="mine", epochs=1, patience=None, dropout=0.0, method=case.method,
        lora=lora if case.method == "lora" else None,
    )  # fmt: skip
    rows: Any = {"mine": FileRows(kind="file", path="rows.json")}
    tuning = Finetuning(instructions=rows, protocols={"adapters": protocol})
    study: Any = SimpleNamespace(config=SimpleNamespace(finetuning=tuning, trainer=case.trainer))
    jobs = [SimpleNamespace(rule=SimpleNamespace(name=name)) for name in case.rules]
    workflow: Any = SimpleNamespace(nodes=None, dag=SimpleNamespace(needrun_jobs=lambda: jobs))
    warn_of_adapters(workflow, study)
    said = "finetuning.protocols.adapters.method: lora needs the package peft; run `pip install"
    assert (said in capsys.readouterr().err) == told
