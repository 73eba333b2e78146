"""A rule and a person's command get the same params from the same config."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noiseband.study import Section, load_study, parse_study
from noiseband.study.data_params import CorpusParams, TokenizeParams, VocabularyParams
from noiseband.study.params import (
    EvaluateParams,
    FinetuneParams,
    InitParams,
    RespondParams,
    StartsParams,
    TrainParams,
)
from noiseband.study.table_params import TablesParams, finetuned_models
from noiseband.study.vocabularies import same_ids, same_tokens

STUDY = load_study("config/config.yaml")
ALL: list[Section] = [
    CorpusParams.of(STUDY, "pocket"),
    VocabularyParams.of(STUDY, "pocket"),
    TokenizeParams.of(STUDY, "pocket"),
    StartsParams.of(STUDY),
    TablesParams.of(STUDY),
    *(InitParams.of(run.built_in) for run in STUDY.runs.values()),
    *(TrainParams.of(STUDY, run) for run in STUDY.runs.values()),
    *(EvaluateParams.of(STUDY, run) for run in STUDY.runs.values()),
    *(FinetuneParams.of(STUDY, STUDY.runs[r], p) for r, p, _ in finetuned_models(STUDY)),
    *(RespondParams.of(STUDY, STUDY.runs[r], p) for r, p, _ in finetuned_models(STUDY)),
]


@pytest.mark.parametrize("params", ALL, ids=lambda p: type(p).__name__)
def test_params_survive_the_command_line_in_order(params: Section) -> None:
    # The order matters too, since stages write mappings in the order in which they get them.
    arrived = type(params).model_validate_json(params.text)
    assert json.dumps(arrived.model_dump()) == json.dumps(params.model_dump())


def test_params_carry_what_the_stage_depends_on_and_no_more() -> None:
    dry, wet = (EvaluateParams.of(STUDY, STUDY.runs[r]) for r in ("remove-dropout-1", "baseline-1"))
    assert dry == wet  # Both have the same model and evaluation.
    biased = EvaluateParams.of(STUDY, STUDY.runs["qkv-bias-1"])
    assert biased != wet
    starts = {InitParams.of(STUDY.runs[r].built_in).text for r in ("baseline-1", "baseline-1-1-2")}
    assert len(starts) == 1


def test_answering_otherwise_does_not_fine_tune_again(study_data: dict[str, Any]) -> None:
    protocol: dict[str, Any] = {"instructions": "factbook", "epochs": 1, "max_new_tokens": 4}
    protocol |= {"patience": None, "dropout": 0.0}
    rows = {"kind": "factbook", "package": "p", "version": "1.0", "rows": 40}
    study_data["finetuning"] = {
        "instructions": {"factbook": rows},
        "protocols": {"asked": protocol},
    }

    def params() -> tuple[FinetuneParams, RespondParams]:
        study = parse_study(study_data)
        run = study.runs["baseline-42"]
        return FinetuneParams.of(study, run, "asked"), RespondParams.of(study, run, "asked")

    tuned, answered = params()
    for change in ({"max_new_tokens": 5}, {"answers": {"temperature": 1.0}}):
        protocol |= change
        assert params()[0] == tuned
        assert params()[1] != answered
        _, answered = params()
    protocol["epochs"] = 2
    assert params()[0] != tuned


def test_allow_special_tokenises_anew_and_makes_no_other_vocabulary(
    study_data: dict[str, Any],
) -> None:
    before = parse_study(study_data)
    (corpus,) = before.config.corpora
    study_data["corpora"][corpus]["tokenizer"]["allow_special"] = True
    after = parse_study(study_data)
    assert TokenizeParams.of(after, corpus) != TokenizeParams.of(before, corpus)
    assert TokenizeParams.of(after, corpus).allow_special
    for same in (VocabularyParams, CorpusParams):
        assert same.of(after, corpus) == same.of(before, corpus)
    run = before.config.baseline
    assert TrainParams.of(after, after.runs[run]) == TrainParams.of(before, before.runs[run])
    both = {"before": before.config.corpora[corpus], "after": after.config.corpora[corpus]}
    assert same_ids(both, "before", "after") and not same_tokens(both, "before", "after")
