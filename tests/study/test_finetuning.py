"""The fine-tuning section of a config: its required keys, defaults and errors."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from noiseband.study import StudyError, parse_study
from noiseband.study.data_params import InstructionsParams
from noiseband.study.params import FinetuneParams
from noiseband.study.table_params import finetuned_models

ROWS: dict[str, dict[str, Any]] = {
    "factbook": {"kind": "factbook", "package": "p", "version": "1", "rows": 40},
    "file": {"kind": "file", "path": "rows.json"},
    "package": {"kind": "package", "package": "p", "version": "1", "file": "p/rows.json"},
    "hub": {"kind": "hub", "repo": "a/b", "revision": "0" * 40, "file": "rows.json"},
    "url": {"kind": "url", "url": "https://a.org/b/rows.json", "sha256": "0" * 64},
}
PROTOCOL: dict[str, Any] = {
    "instructions": "rows", "epochs": 100, "patience": 1, "dropout": 0.0,
}  # fmt: skip
LORA = {"rank": 8, "alpha": 16, "dropout": 0.0, "targets": ["W_query", "W_value"]}


def study(data: dict[str, Any], rows: Any = ROWS["file"], **protocol: Any) -> dict[str, Any]:
    wanted = {k: v for k, v in (PROTOCOL | protocol).items() if v != "missing"}
    section = {"instructions": {"rows": rows}, "protocols": {"way": wanted}}
    return {**data, "finetuning": section}


def problems(data: dict[str, Any]) -> list[str]:
    with pytest.raises(StudyError) as raised:
        parse_study(data)
    return [str(p).removeprefix("finetuning.") for p in raised.value.problems]


@pytest.mark.parametrize("kind", ROWS)
def test_each_kind_of_rows_goes_whole_to_its_rule(study_data: dict[str, Any], kind: str) -> None:
    found = InstructionsParams.of(parse_study(study(study_data, ROWS[kind])), "rows")
    again = InstructionsParams.model_validate_json(found.text)
    assert again == found
    assert again.instructions.model_dump().items() >= ROWS[kind].items()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"kind": "flie"},
            "rows come from: factbook, file, package, hub, dataset or url",
        ),
        ({"kind": None}, "rows come from: factbook, file, package, hub, dataset or url"),
        ({"pth": "a"}, 'instructions.rows.pth: "a": unknown key; did you mean path?'),
        ({"train": 1.5}, "instructions.rows.train: 1.5: should be less than 1, or should be a va"),
        ({"train": 0}, "instructions.rows.train: 0: should be greater than 0"),
        ({"sha256": "00"}, 'instructions.rows.sha256: "00": should be a SHA-256'),
    ],
)
def test_mistakes_in_rows(
    study_data: dict[str, Any], change: dict[str, Any], complaint: str
) -> None:
    (found,) = problems(study(study_data, ROWS["file"] | change))
    assert complaint in found


def test_a_revision_of_the_hub_is_a_commit(study_data: dict[str, Any]) -> None:
    (found,) = problems(study(study_data, ROWS["hub"] | {"revision": "main"}))
    assert 'instructions.rows.revision: "main": should be a commit' in found


@pytest.mark.parametrize("field", ["dropout", "patience", "epochs"])
def test_what_a_default_could_surprise_with_must_be_said(
    study_data: dict[str, Any], field: str
) -> None:
    assert problems(study(study_data, **{field: "missing"})) == [
        f"protocols.way.{field}: missing; this section needs it"
    ]


def test_the_series_three_protocols(study_data: dict[str, Any]) -> None:
    text = """
early-stop: {instructions: rows, epochs: 100, patience: 1, dropout: 0.0, max_new_tokens: 256}
epochs-4: {instructions: rows, epochs: 4, patience: null, dropout: 0.1, seeds: [42, 22, 67]}
epochs-7: {instructions: rows, epochs: 7, patience: null, dropout: 0.0, loss_on: answer}
"""
    data = study(study_data)
    data["finetuning"]["protocols"] = yaml.safe_load(text)
    made = parse_study(data)
    assert made.config.finetuning is not None
    protocols = made.config.finetuning.protocols
    assert [(p.epochs, p.patience, p.dropout) for p in protocols.values()] == [
        (100, 1, 0.0), (4, None, 0.1), (7, None, 0.0),
    ]  # fmt: skip
    # The defaults are what the published series used.
    usual = {(p.learning_rate, p.weight_decay, p.batch, p.template) for p in protocols.values()}
    assert usual == {(5e-5, 0.1, 8, "alpaca")}
    models = [model for model in finetuned_models(made) if model[0] == "baseline-42"]
    assert models == [("baseline-42", "early-stop", 42)] + [
        ("baseline-42", "epochs-4", seed) for seed in (42, 22, 67)
    ] + [("baseline-42", "epochs-7", 42)]  # fmt: skip


def test_a_template_is_a_name_or_three_strings(study_data: dict[str, Any]) -> None:
    own = {"instruction": "{}", "input": " ({})", "answer": " =\n"}
    made = parse_study(study(study_data, template=own))
    params = FinetuneParams.of(made, made.runs["baseline-42"], "way")
    assert FinetuneParams.model_validate_json(params.text) == params
    assert params.protocol.model_dump()["template"] == own
    assert problems(study(study_data, template=own | {"answer": "{}"})) == [
        "protocols.way.template: answer='{}' contains {} 1 times; write it nowhere"
    ]
    assert problems(study(study_data, template={"instruction": "{}", "answer": ":"})) == [
        "protocols.way.template.input: missing; this section needs it"
    ]
    assert problems(study(study_data, template="alpacca")) == [
        "protocols.way.template: \"alpacca\": should be 'alpaca', 'short' or 'chat'"
    ]


def test_no_seed_is_there_twice(study_data: dict[str, Any]) -> None:
    (found,) = problems(study(study_data, seeds=[42, 22, 42]))
    assert "protocols.way: seeds=[42, 22, 42]: a seed appears twice; remove it" in found


def test_lora_and_its_adapters_go_together(study_data: dict[str, Any]) -> None:
    parse_study(study(study_data, method="lora", lora=LORA))
    assert problems(study(study_data, method="lora")) == [
        "protocols.way: method=lora: it needs `lora: {rank, alpha, dropout, targets}`"
    ]
    assert problems(study(study_data, lora=LORA)) == [
        "protocols.way: method=full: `lora` belongs to method 'lora'; remove it or change the "
        "method"
    ]


def test_the_head_has_no_adapter(study_data: dict[str, Any]) -> None:
    wrong = LORA | {"targets": ["W_query", "out_head"]}
    (found,) = problems(study(study_data, method="lora", lora=wrong))
    assert found.startswith("protocols.way.lora.targets.1: \"out_head\": should be 'W_query',")
