"""Pretrained models in a config: valid entries, their models and params, and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.dag.workflow import one_of
from noiseband.study import Study, StudyError, load_study, parse_study
from noiseband.study.artefacts import deterministic_artefacts, table_inputs
from noiseband.study.params import EvaluateParams, FinetuneParams, PretrainedParams, StartsParams
from noiseband.study.pretrained import KNOWN_MODELS
from noiseband.study.table_params import TablesParams, finetuned_models

Data = dict[str, Any]
COMMIT = "607a30d783dfa663caf39e06633721c8d4cfcd7e"
SHAPE = {"vocabulary": 512, "context": 32, "width": 8, "heads": 2, "layers": 1, "tied": True}
HUB = {"repo": "some/model", "revision": COMMIT, "model": SHAPE}
LOCAL = {"path": "models/mine", "model": SHAPE}
MEASURED = ("test_loss.json", "test_documents.csv")
FINETUNING = {
    "instructions": {"q": {"kind": "factbook", "package": "p", "version": "1", "rows": 20}},
    "protocols": {"p": {"instructions": "q", "epochs": 1, "patience": None, "dropout": 0.0}},
}


def with_pretrained(data: Data, **rows: Data) -> Data:
    return {**data, "pretrained": rows}


def problems(data: Data) -> dict[str, str]:
    with pytest.raises(StudyError) as raised:
        parse_study(data)
    return {problem.key: str(problem) for problem in raised.value.problems}


@pytest.fixture
def study(study_data: Data) -> Study:
    data = with_pretrained(study_data, theirs=HUB, mine=LOCAL)
    return parse_study({**data, "finetuning": FINETUNING})


def test_a_row_is_no_run(study_data: Data, study: Study) -> None:
    assert list(study.pretrained) == ["theirs", "mine"]
    assert study.runs == parse_study(study_data).runs
    assert list(study.models) == [*study.runs, "theirs", "mine"]
    assert StartsParams.of(study) == StartsParams.of(parse_study(study_data))
    tables = TablesParams.of(study)
    assert (tables.runs, tables.pretrained) == (list(study.runs), ["theirs", "mine"])


def test_it_is_measured_as_the_baseline_is(study: Study) -> None:
    params = EvaluateParams.of(study, study.models["theirs"])
    baseline = EvaluateParams.of(study, study.runs["baseline-42"])
    assert params.evaluation == baseline.evaluation
    assert (params.attention, params.model.context) == (baseline.attention, 16)
    assert (params.model.width, params.model.tied, params.model.dropout) == (8, True, 0.0)
    fetched = PretrainedParams.of(study.pretrained["theirs"])
    assert (fetched.model.context, fetched.context) == (32, 16)
    assert (fetched.repo, fetched.revision, fetched.path) == ("some/model", COMMIT, None)


def test_all_fine_tunes_it_and_a_list_may(study_data: Data, study: Study) -> None:
    models = [run for run, _, _ in finetuned_models(study)]
    assert models == [*(run.name for run in study.distinct), "theirs", "mine"]
    params = FinetuneParams.of(study, study.models["mine"], "p")
    assert params.model == EvaluateParams.of(study, study.models["mine"]).model
    data = with_pretrained(study_data, mine=LOCAL)
    some = parse_study({**data, "finetuning": {**FINETUNING, "runs": ["clip-42", "mine"]}})
    assert [model.name for model in some.finetuned] == ["clip-42", "mine"]
    wrong = {**data, "finetuning": {**FINETUNING, "runs": ["mint"]}}
    assert "did you mean mine?" in problems(wrong)["finetuning.runs.0"]


def test_its_files_are_digested_and_tabulated(study: Study) -> None:
    made = {str(file) for file in deterministic_artefacts(study) if "mine" in file.parts}
    names = ("pretrained.json", "model.json", "model.safetensors", *MEASURED)
    ift = ("model.safetensors", "epochs.json", "answers.jsonl")
    assert made == {f"results/runs/mine/{name}" for name in names} | {
        f"results/runs/mine/ift/p/42/{name}" for name in ift
    }
    assert study.paths.run("mine") / "pretrained.json" in table_inputs(study)


def test_published_shapes(study_data: Data) -> None:
    assert [(m.layers, m.heads, m.width) for m in KNOWN_MODELS.values()] == [
        (12, 12, 768), (24, 16, 1024), (36, 20, 1280), (48, 25, 1600),
    ]  # fmt: skip
    study_data["corpora"]["text"]["tokenizer"] = {"kind": "gpt2"}
    study_data["recipe"]["model"]["vocabulary"] = 50257
    study = parse_study(with_pretrained(study_data, gpt2={**HUB, "model": "gpt2"}))
    assert study.pretrained["gpt2"].model == KNOWN_MODELS["gpt2"].model_copy(update={"context": 16})


@pytest.mark.parametrize(
    ("row", "key", "said"),
    [
        ({**HUB, "revision": "main"}, "", "revision=main may move; give the commit's 40 hex"),
        ({**HUB, "revision": None}, "", "give `repo` and `revision` together"),
        ({**HUB, "path": "x"}, "", "give either `repo` with `revision`, or `path`"),
        ({"model": SHAPE}, "", "give either `repo` with"),
        ({**LOCAL, "revision": COMMIT}, "", "give `repo` and `revision` together"),
        ({**HUB, "repo": "gpt2"}, ".repo", "owner/name"),
        ({**HUB, "model": "gpt3"}, ".model", "no such model; did you mean gpt2?"),
        ({**LOCAL, "model": {**SHAPE, "widht": 8}}, ".model.widht", "did you mean width?"),
        ({**LOCAL, "model": {**SHAPE, "heads": 3}}, ".model", "heads=3 does not divide width=8"),
        (
            {**LOCAL, "model": {**SHAPE, "vocabulary": 100}},
            ".model",
            "has 100 token ids, but the tokenizer of corpus text is bpe with 512",
        ),
        ({**HUB, "model": "gpt2"}, ".model", "has 50,257 token ids of GPT-2, but the tokenizer"),
        (
            {**LOCAL, "model": {**SHAPE, "context": 8}},
            ".model",
            "its context 8 is shorter than the baseline's 16",
        ),
    ],
)
def test_a_row_that_cannot_be_is_refused(study_data: Data, row: Data, key: str, said: str) -> None:
    found = problems(with_pretrained(study_data, theirs=row))
    assert said in found[f"pretrained.theirs{key}"]
    assert len(found) == 1


def test_a_vocabulary_of_its_size_is_not_gpt2s(study_data: Data) -> None:
    study_data["corpora"]["text"]["tokenizer"] = {"kind": "bpe", "vocabulary": 50257}
    study_data["recipe"]["model"]["vocabulary"] = 50257
    found = problems(with_pretrained(study_data, gpt2={**HUB, "model": "gpt2"}))
    assert "but the tokenizer of corpus text is bpe" in found["pretrained.gpt2.model"]


def test_a_runs_name_is_taken(study_data: Data) -> None:
    found = problems(with_pretrained(study_data, **{"clip-42": HUB, "again": LOCAL}))
    assert found == {
        name: f"{name}: a run has this name; rename it"
        for name in ("pretrained.clip-42", "pretrained.again")
    }


def test_no_name_fits_where_there_are_none() -> None:
    import re

    assert re.fullmatch(one_of(["a.b", "c"]), "a.b")
    assert not re.fullmatch(one_of(["a.b", "c"]), "axb")
    assert not re.fullmatch(one_of([]), "")


def test_the_pocket_study_has_none() -> None:
    assert load_study(Path("config/config.yaml")).pretrained == {}
