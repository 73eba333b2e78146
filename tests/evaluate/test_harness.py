"""lm-evaluation-harness itself, on the export and on tasks of one's own: what `choice` says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.evaluate import harness
from noiseband.evaluate.choice import choose_file
from noiseband.evaluate.harness import OFFLINE, check_installed, outcome_of, run_harness
from noiseband.evaluate.journal import Journal
from noiseband.hub.export import write_export
from noiseband.study.architecture import Model
from tests.evaluate.further import choice_rows, params, write_rows

MISSING = "needs lm-eval: pip install 'noiseband[harness]'"
TASK = """\
task: {task}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: {kind}
doc_to_text: "{{{{context}}}}"
{rest}
"""
CHOICES = """\
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: acc}, {metric: acc_bytes}]
metadata: {version: 3.0}
"""
WORDS = """\
doc_to_target: " {{target}}"
metric_list: [{metric: acc}, {metric: perplexity, aggregation: perplexity}]
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the harness sets for its own process must not reach other tests."""
    for name in (*OFFLINE, "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


@pytest.fixture(scope="module")
def config() -> Model:
    return Model(vocabulary=257, context=40, width=16, heads=2, layers=2)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, config: Model, model_file: Path, vocabulary: Path
) -> Iterator[Path]:
    """An exported model, and two tasks with their data."""
    pytest.importorskip("lm_eval", reason=MISSING)
    made = tmp_path_factory.mktemp("harness")
    write_export(model_file, config, vocabulary, made / "exported")
    rows = choice_rows(30)
    write_rows(made / "choices.jsonl", rows)
    words = [{"context": row["context"], "target": row["choices"][0]} for row in rows]
    write_rows(made / "words.jsonl", words)
    (made / "tasks").mkdir()
    for task, kind, rest in [
        ("our_choices", "multiple_choice", CHOICES),
        ("our_words", "loglikelihood", WORDS),
    ]:
        file = made / f"{task.removeprefix('our_')}.jsonl"
        text = TASK.format(task=task, file=file, kind=kind, rest=rest)
        (made / "tasks" / f"{task}.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_DATASETS_CACHE", str(made / "cache"))
        patch.setattr("datasets.config.HF_DATASETS_CACHE", made / "cache")
        yield made


def test_it_says_what_choice_says(
    folder: Path, tmp_path: Path, config: Model, model_file: Path, vocabulary: Path
) -> None:
    """The log-likelihoods to a millionth, and exactly the same accuracies and standard errors."""
    tasks, file = folder / "tasks", folder / "choices.jsonl"
    given = params(config, harness={"tasks": ["our_choices"], "include_path": str(tasks)})
    theirs = run_harness(given, folder / "exported")
    ours = choose_file(
        params(config, choice={"file": str(file)}), model_file, vocabulary, Journal(tmp_path, "k")
    )
    for its, mine in [("acc", "accuracy"), ("acc_bytes", "accuracy_per_byte")]:
        found, wanted = theirs.metrics[its], ours.metrics[mine]
        assert found.value == wanted.value
        assert found.standard_error == pytest.approx(wanted.standard_error, rel=1e-12)
        assert found.n == wanted.n == 30
        assert list(theirs.values[its]) == list(ours.values[mine])
    assert theirs.items == [f"our_choices.{number}" for number in range(30)]
    assert theirs.about["tasks"] == {"our_choices": 3.0}
    assert theirs.about["shots"] == {"our_choices": 0}


def test_its_log_likelihoods_are_those_of_choice(
    folder: Path, tmp_path: Path, config: Model, model_file: Path, vocabulary: Path
) -> None:
    given = params(
        config, harness={"tasks": ["our_choices"], "include_path": str(folder / "tasks")}
    )
    assert given.evaluation.harness is not None
    found = harness._evaluate("key", given.evaluation.harness, folder / "exported")
    samples = sorted(found["samples"]["our_choices"], key=lambda one: int(one["doc_id"]))
    theirs = [float(one[0]) for sample in samples for one in sample["filtered_resps"]]
    file = folder / "choices.jsonl"
    journal = Journal(tmp_path, "k")
    choose_file(params(config, choice={"file": str(file)}), model_file, vocabulary, journal)
    ours = [-journal.known[place].nats for place in range(len(journal.known))]
    assert len(theirs) == len(ours) > 60
    assert theirs == pytest.approx(ours, rel=1e-6)


def test_several_tasks_name_their_metrics_and_errors_of_other_means_are_kept(
    folder: Path, config: Model
) -> None:
    given = params(
        config,
        harness={
            "tasks": ["our_choices", "our_words"], "include_path": str(folder / "tasks"), "limit": 5
        },
    )  # fmt: skip
    found = run_harness(given, folder / "exported")
    assert set(found.metrics) == {
        "our_choices.acc", "our_choices.acc_bytes", "our_words.acc", "our_words.perplexity",
    }  # fmt: skip
    assert found.metrics["our_words.acc"].n == 5
    error = found.metrics["our_words.perplexity"].standard_error
    assert error is not None and error > 0
    assert len(found.items) == 10
    assert list(found.values["our_words.acc"])[:5] == [None] * 5


def test_a_task_that_is_not_there_is_named(folder: Path, config: Model) -> None:
    given = params(config, harness={"tasks": ["no_such_task"]})
    with pytest.raises(
        UserError, match=r"evaluations\.mine\.harness\.tasks: no_such_task: no such"
    ):
        run_harness(given, folder / "exported")


def test_data_that_are_not_here_are_told_in_one_line(folder: Path, config: Model) -> None:
    given = params(config, harness={"tasks": ["hellaswag"], "limit": 1})
    with pytest.raises(UserError, match="it is offline, so its data must be files") as caught:
        run_harness(given, folder / "exported")
    assert "\n" not in str(caught.value)


def test_without_the_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    with pytest.raises(UserError) as caught:
        check_installed("mine")
    assert str(caught.value) == (
        "evaluations.mine.harness: needs the package lm-eval; run "
        "`pip install 'noiseband[harness]'`"
    )


def test_names_of_metrics_have_no_other_characters() -> None:
    results: dict[str, Any] = {
        "a task": {"alias": "a", "exact match,strict-match": 0.5, "sample_len": 3}
    }
    found = outcome_of({"results": results, "samples": {}}, {})
    assert list(found.metrics) == ["exact-match.strict-match"]
    assert json.dumps(found.items) == "[]"
    with pytest.raises(UserError, match="gave no metric of a task"):
        outcome_of({"results": {"a task": {"alias": "a"}}}, {})
