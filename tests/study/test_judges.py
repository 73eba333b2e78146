"""The `judge` section: three kinds with their own keys, and errors that name keys and values."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.study import parse_study
from noiseband.study.artefacts import deterministic_artefacts, judged_artefacts
from noiseband.study.judges import ChrfJudge, Judge, LocalJudge, OpenAIJudge
from noiseband.study.params import JudgeParams
from noiseband.study.problems import StudyError

OPENAI = {"kind": "openai", "base_url": "https://api.example.com/v1/", "model": "m"}
LOCAL = {"kind": "local", "file": "m.gguf", "sha256": "0" * 64}


def parsed(data: dict[str, Any], judge: Any) -> Judge:
    return parse_study({**data, "judge": judge}).config.judge


def test_kinds_are_told_apart(study_data: dict[str, Any]) -> None:
    assert parse_study(study_data).config.judge == ChrfJudge()
    assert parsed(study_data, {"kind": "chrf", "score": "chrf"}) == ChrfJudge(score="chrf")
    found = parsed(study_data, {**OPENAI, "rounds": 3, "options": {"reasoning": {"effort": "low"}}})
    assert isinstance(found, OpenAIJudge)
    assert (found.base_url, found.rounds) == ("https://api.example.com/v1", 3)
    assert isinstance(parsed(study_data, LOCAL), LocalJudge)


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        ({"rounds": 1}, "judge.kind: missing; valid: chrf, openai, local"),
        ({"kind": "opnai"}, 'judge.kind: "opnai": no such kind; valid: chrf, openai, local'),
        ({"kind": "chrf", "rounds": 3}, "judge: rounds=3: the chrF judge gives the"),
        ({**OPENAI, "budgt": 1}, "judge.budgt: 1: unknown key; did you mean budget?"),
        (
            {**OPENAI, "budget": {"request": 1}},
            "judge.budget.request: 1: unknown key; did you mean",
        ),
        ({**OPENAI, "budget": {"money": 1}}, "judge.budget: money needs input_price and output_"),
        ({**OPENAI, "budget": {"input_price": 1}}, "judge.budget: money needs input_price and ou"),
        ({**OPENAI, "base_url": "https://me:sk@x/v1"}, "must not contain a user, key or query"),
        ({**OPENAI, "base_url": "https://x/v1?key=1"}, "must not contain a user, key or query"),
        ({**OPENAI, "base_url": "x/v1"}, "not a URL; write one such as https://api.openai.com/v1"),
        (
            {**OPENAI, "options": {"api_key": "sk"}},
            "judge.options: api_key is not allowed in options",
        ),
        (
            {**OPENAI, "options": {"messages": []}},
            "judge.options: messages is not allowed in options",
        ),
        ({"kind": "openai", "model": "m"}, "judge.base_url: missing; this section needs it"),
        ({**LOCAL, "sha256": "1"}, 'judge.sha256: "1": should be a SHA-256'),
        ({**LOCAL, "base_url": "x"}, 'judge.base_url: "x": unknown key'),
    ],
)
def test_a_mistake_is_one_problem_under_its_own_key(
    study_data: dict[str, Any], judge: dict[str, Any], told: str
) -> None:
    with pytest.raises(StudyError) as caught:
        parsed(study_data, judge)
    (problem,) = caught.value.problems
    assert told in str(problem)


def test_params_are_a_job_s_and_hold_no_secret(
    study_data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    one, three = (
        JudgeParams.of(parse_study({**study_data, "judge": {**OPENAI, "rounds": rounds}}))
        for rounds in (1, 3)
    )
    assert one == three  # A further round does not rerun the others.
    assert JudgeParams.model_validate_json(one.text) == one
    assert "sk-secret" not in one.text
    assert '"api_key_env":"OPENAI_API_KEY"' in one.text


def finetuned(data: dict[str, Any], judge: dict[str, Any]) -> dict[str, Any]:
    rows = {"kind": "factbook", "package": "p", "version": "1", "rows": 20}
    protocol = {"instructions": "rows", "epochs": 1, "patience": None, "dropout": 0.0}
    protocols = {"one": protocol}
    tuning = {"instructions": {"rows": rows}, "protocols": protocols}
    return {**data, "finetuning": tuning, "judge": judge}


def test_what_a_judge_may_say_otherwise_is_no_deterministic_artefact(
    study_data: dict[str, Any],
) -> None:
    sure = parse_study(finetuned(study_data, {"kind": "chrf"}))
    asked = parse_study(finetuned(study_data, OPENAI))
    judged = [
        "results/judge/one/round-1.jsonl",
        "results/tables/finetuning.csv",
        "results/tables/finetuning-noise.csv",
        "results/tables/twins.csv",
        "results/tables/answers.parquet",
        "results/figures/finetuning.svg",
    ]
    assert list(map(str, judged_artefacts(asked))) == judged
    assert judged_artefacts(sure) == []
    assert judged_artefacts(parse_study({**study_data, "judge": OPENAI})) == []
    more = set(deterministic_artefacts(sure)) - set(deterministic_artefacts(asked))
    assert set(map(str, more)) == set(judged)
    on_this_machine = parse_study(finetuned(study_data, LOCAL))
    assert deterministic_artefacts(on_this_machine) == deterministic_artefacts(sure)
