"""Further evaluations in a config: what is valid, what is wrong, and what their jobs depend on."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.study import Study, StudyError, parse_study
from noiseband.study.artefacts import deterministic_artefacts, table_inputs
from noiseband.study.commands import command_words
from noiseband.study.data_needs import DataNeeds
from noiseband.study.data_params import CorpusParams, FieldsParams
from noiseband.study.evaluation_params import EvaluationParams, digest_of, files_of
from noiseband.study.evaluations import evaluations_of, known_metrics

Data = dict[str, Any]
COMMAND = {"command": "python eval.py --model {model} --out {out}", "files": ["eval.py"]}
EACH = {
    "again": {"loss": {"split": "validation", "batch": 2}},
    "cloze": {"choice": {"file": "cloze.jsonl"}},
    "tasks": {"harness": {"tasks": ["hellaswag"], "include_path": "tasks"}},
    "mine": COMMAND,
}


@pytest.fixture
def study(study_data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study with one evaluation of each kind, in a folder with their files."""
    monkeypatch.chdir(tmp_path)
    Path("cloze.jsonl").write_text("{}")
    Path("eval.py").write_text("pass")
    Path("tasks/__pycache__").mkdir(parents=True)
    Path("tasks/one.yaml").write_text("task: one")
    return parse_study({**study_data, "evaluations": EACH})


def complaints(data: Data, evaluations: Data) -> str:
    with pytest.raises(StudyError) as caught:
        parse_study({**data, "evaluations": evaluations})
    return "\n".join(map(str, caught.value.problems))


def test_each_kind_is_evaluated_of_every_run(study: Study) -> None:
    kinds = {name: one.kind for name, one in study.config.evaluations.items()}
    assert kinds == {"again": "loss", "cloze": "choice", "tasks": "harness", "mine": "command"}
    assert [one.exports for one in study.config.evaluations.values()] == [False, False, True, True]
    pairs = evaluations_of(study)
    assert len(pairs) == len(set(pairs)) == 4 * len(study.models)
    files = {study.paths.evaluation(*pair) for pair in pairs}
    assert files <= set(table_inputs(study))
    artefacts = set(deterministic_artefacts(study))
    assert files <= artefacts
    assert study.paths.evaluation_items("again", "cloze") in artefacts
    assert study.paths.evaluation_items("again", "mine") not in artefacts


def test_pretrained_models_are_evaluated_too(study_data: Data) -> None:
    shape = {"vocabulary": 512, "context": 16, "width": 16, "heads": 2, "layers": 1}
    study_data["pretrained"] = {"theirs": {"path": "theirs", "model": shape}}
    study = parse_study({**study_data, "evaluations": {"again": EACH["again"]}})
    assert ("theirs", "again") in evaluations_of(study)


def test_a_command_that_does_not_repeat_is_not_in_the_manifest(study_data: Data) -> None:
    study = parse_study({**study_data, "evaluations": {"mine": {**COMMAND, "repeatable": False}}})
    file = study.paths.evaluation("baseline-42", "mine")
    assert file in table_inputs(study) and file not in deterministic_artefacts(study)


def test_a_command_may_have_items(study_data: Data) -> None:
    for repeatable in (True, False):
        mine = {**COMMAND, "items": True, "repeatable": repeatable}
        study = parse_study({**study_data, "evaluations": {"mine": mine}})
        file = study.paths.evaluation_items("baseline-42", "mine")
        assert file in table_inputs(study)
        assert (file in deterministic_artefacts(study)) == repeatable


def test_known_metrics_have_a_direction_and_a_unit(study: Study) -> None:
    known = known_metrics(study.config.evaluations)
    assert {name: tuple(kind) for name, kind in known.items()} == {
        "again.loss": ("lower", "nats"),
        "cloze.accuracy": ("higher", "share of items"),
        "cloze.loss": ("lower", "nats"),
    }


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({}, "give exactly one of loss, choice, harness, command, not none of them"),
        (
            {"loss": {}, **COMMAND},
            "give exactly one of loss, choice, harness, command, not loss and command",
        ),
        ({"loss": {}, "gpu": True}, "gpu belongs to a command; remove it"),
        ({"loss": {}, "items": True}, "items belongs to a command; remove it"),
        ({"choice": {"file": "a", "rows": 12}}, "rows: 12: should be a multiple of 8"),
        ({"command": "python eval.py"}, "command: .*{out} is missing; pass it on"),
        (
            {"command": "eval {modell} {out}"},
            "command: .*{modell}: no such placeholder; did you mean model?",
        ),
        ({"command": "eval {out!r}"}, "command: .*a placeholder is a name in braces"),
        ({"command": "eval {out"}, "command: .*write {{ and }} for braces"),
        ({"command": "eval 'x {out}"}, "command: .*close its quotes"),
        ({"los": {}}, "los: unknown key; did you mean loss?"),
    ],
)
def test_what_is_wrong_with_one_is_a_line(study_data: Data, one: Data, said: str) -> None:
    found = complaints(study_data, {"mine": one})
    pattern = ".*".join(map(re.escape, said.split(".*")))
    assert re.search(pattern, found) and "evaluations.mine" in found
    assert "\n" not in found


def test_a_name_has_no_dot(study_data: Data) -> None:
    said = complaints(study_data, {"a.b": COMMAND})
    assert "should consist of letters, digits, '_' and '-', and start with" in said


def test_corpora_of_losses_are_checked(study_data: Data) -> None:
    said = complaints(study_data, {"other": {"loss": {"corpus": "txt"}}})
    assert said == 'evaluations.other.loss.corpus: "txt": no such name; did you mean text?'
    study_data["corpora"]["code"] = copy.deepcopy(study_data["corpora"]["text"])
    study_data["corpora"]["code"]["sources"][0]["package"] = "another"
    said = complaints(study_data, {"other": {"loss": {"corpus": "code"}}})
    assert said.startswith('evaluations.other.loss.corpus: "code": run baseline-42 reads text,')
    study_data["corpora"]["text"]["validation"] = 0.0
    said = complaints(study_data, {"other": {"loss": {"split": "validation"}}})
    assert said.startswith("evaluations.other.loss.split: ")
    said = complaints(study_data, {"other": {"loss": {"split": "train"}}})
    assert said.startswith("evaluations.other.loss.start_token: 0: ")


SLICED = {"corpus": "code", "by": {"language": ["python", "C++"]}}


def with_code(data: Data, **keys: Any) -> Data:
    """The study with a further corpus, in whose files documents have a language."""
    source = {"path": "texts", "files": ["code/*.jsonl"]}
    code = {"sources": [source], "tokenizer": {"like": "text"}, **keys}
    data["corpora"]["code"] = code
    return data


def test_slices_are_metrics_of_their_own(study_data: Data) -> None:
    """With verdicts, as every loss; the neutral value changes no params."""
    with_code(study_data)
    study_data["evaluations"] = {"code": {"loss": SLICED}, "whole": {"loss": {"corpus": "code"}}}
    study = parse_study({**study_data, "primary": "code.loss.python"})
    assert [(one.name, one.better, one.unit) for one in study.metrics] == [
        ("code.loss.python", "lower", "nats"),
        ("test_loss", "lower", "nats"),
        ("code.loss", "lower", "nats"),
        ("code.loss.C--", "lower", "nats"),
        ("whole.loss", "lower", "nats"),
    ]
    texts = [EvaluationParams.of(study, "clip-42", name).text for name in ("code", "whole")]
    by = ',"by":{"language":["python","C++"]}'
    assert by.lstrip(",") in texts[0] and "by" not in texts[1]
    needs = DataNeeds.of(study, "code")
    assert needs.sliced == {"test": ["language"]} and not DataNeeds.of(study, "text").sliced
    assert [one.evaluation.by for one in needs.further] == [SLICED["by"], None]
    assert FieldsParams.of(study, "code", "test").fields == ["language"]
    whole = parse_study({**study_data, "evaluations": {}})
    assert CorpusParams.of(study, "code") == CorpusParams.of(whole, "code")


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ({}, "loss.by: has 0 fields; give one, as in {language: [python, go]}"),
        ({"a": ["x"], "b": ["y"]}, "loss.by: has 2 fields; give one, as in"),
        ({"language": []}, "loss.by.language: []: list should have at least 1 item"),
        ({"language": [str(n) for n in range(21)]}, "language has 21 values, and each is one more"),
        (
            {"language": ["C+", "C#"]},
            "language: 'C+' and 'C#' would both be called loss.C-; list one of them",
        ),
        ({"language": ["go", "go"]}, "'go' and 'go' would both be called loss.go"),
    ],
)
def test_what_is_wrong_with_slices_is_a_line(study_data: Data, by: Data, said: str) -> None:
    found = complaints(with_code(study_data), {"code": {"loss": {"corpus": "code", "by": by}}})
    assert said in found and "\n" not in found


def test_documents_of_slices_must_be_known(study_data: Data) -> None:
    like = {"like": "text", "allow_special": True}
    files = {"path": "texts", "files": ["a.parquet", "b.txt.gz"]}
    found = complaints(with_code(study_data, sources=[files]), {"code": {"loss": SLICED}})
    assert found == (
        'evaluations.code.loss.by: "language": sources[0] of corpus code is text files such as '
        "b.txt.gz, whose documents have no fields; give it a corpus of its own"
    )
    found = complaints(study_data, {"text": {"loss": {"by": SLICED["by"]}}})
    assert '"language": sources[0] of corpus text is a package, whose documents have' in found
    found = complaints(with_code(study_data, tokenizer=like), {"code": {"loss": SLICED}})
    assert "corpus code has tokenizer.allow_special, with which an end-of-text need not" in found
    for corpus in ("text", "code"):
        study_data["corpora"][corpus]["tokenizer"] = {"kind": "gpt2"}
    study_data["recipe"]["model"]["vocabulary"] = 50257
    tokens = {"path": "tokens", "train": "a.safetensors", "test": "b.safetensors"}
    study_data["corpora"]["code"] = {"tokenised": tokens, "tokenizer": {"kind": "gpt2"}}
    found = complaints(study_data, {"code": {"loss": SLICED}})
    assert "corpus code has ready-made tokens, whose documents have no fields" in found


def test_a_further_corpus_is_made(study_data: Data) -> None:
    code = copy.deepcopy(study_data["corpora"]["text"])
    code["sources"][0]["package"] = "another"
    for corpus in (code, study_data["corpora"]["text"]):
        corpus["tokenizer"] = {"kind": "gpt2"}
    study_data["recipe"]["model"]["vocabulary"] = 50257
    study_data["corpora"]["code"] = code
    assert parse_study(study_data).corpora == ["text"]
    study = parse_study({**study_data, "evaluations": {"code": {"loss": {"corpus": "code"}}}})
    assert study.corpora == ["text", "code"]
    needs = DataNeeds.of(study, "code").further
    assert [(one.key, one.windows[0].model) for one in needs] == [
        ("evaluations.code.loss", "baseline-42")
    ]
    assert DataNeeds.of(study, "text").further == []


def test_params_are_what_a_job_depends_on(study: Study, study_data: Data) -> None:
    def texts(changed: Data) -> dict[str, str]:
        one = parse_study({**study_data, "evaluations": {**EACH, **changed}})
        return {name: EvaluationParams.of(one, "clip-42", name).text for name in EACH}

    before = texts({})
    assert texts({"mine": {**COMMAND, "repeatable": False}}) == before
    assert '"corpus":null' in before["again"] and '"corpus":"text"' not in before["again"]
    changed = texts({"cloze": {"choice": {"file": "cloze.jsonl", "delimiter": "\n"}}})
    assert {name for name in EACH if changed[name] != before[name]} == {"cloze"}
    Path("tasks/one.yaml").write_text("task: two")
    Path("tasks/__pycache__/one.pyc").write_text("anything")
    changed = texts({})
    assert {name for name in EACH if changed[name] != before[name]} == {"tasks"}


def test_old_studies_have_the_same_needs(study_data: Data) -> None:
    needs = DataNeeds.of(parse_study(study_data), "text")
    assert not {"further", "choices"} & needs.model_dump().keys()


def test_digests_are_of_names_and_contents(tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_text("x")
    other.write_text("x")
    assert digest_of("key", []) is None
    digests = {digest_of("key", paths) for paths in ([str(one)], [str(other)], [str(tmp_path)])}
    assert len(digests) == 3 and None not in digests
    assert files_of("key", str(tmp_path)) == [one, other]
    with pytest.raises(UserError, match=r"^evaluations\.x: 'c': no such file or folder; give a"):
        digest_of("evaluations.x", ["c"])


def test_words_of_a_command_keep_blanks_of_values() -> None:
    words = command_words("eval '--to={out}' \"{{x}} {run}\"", {"out": "a b", "run": "r"})
    assert words == ["eval", "--to=a b", "{x} r"]


def test_a_model_that_cannot_be_exported_is_told_before_anything_trains(
    study_data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("eval.py").write_text("pass")
    interventions = {**study_data["interventions"], "rms": {"model.norm.kind": "rms"}}
    data = {**study_data, "interventions": interventions}
    loss = {"again": EACH["again"]}
    assert parse_study({**data, "evaluations": loss}).config.evaluations
    with pytest.raises(StudyError) as error:
        parse_study({**data, "evaluations": {**loss, "mine": COMMAND}})
    assert str(error.value).splitlines()[1].strip() == (
        "evaluations.mine.command: reads an exported model, and no class of transformers computes "
        "what rms-42 does (model.norm.kind: rms); use loss or choice, or leave the change out"
    )
