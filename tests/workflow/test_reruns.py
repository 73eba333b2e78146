"""A change of code or config reruns the jobs that it concerns, and nothing else.

These are dry runs of a small study whose outputs are up to date, though no job has run.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.workflow.project import RUNS, Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("touched")).touched()


def test_a_study_that_is_up_to_date_reruns_nothing(project: Project) -> None:
    assert project.planned() == {}


def test_the_number_of_processes_reruns_nothing(project: Project) -> None:
    with project.edited("config/config.yaml", "checkpoints:", "processes: 2\ncheckpoints:"):
        assert project.planned() == {}
        found = project.snakemake("-n", "-p", "-R", "train")
    assert found.stdout.count("--processes 2 ") == len(RUNS)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("src/noiseband/report/figures/write.py", "return figure", "return (figure,)"),
        ("src/noiseband/report/templates/style.css", "{", " {"),
        ("src/noiseband/stats/verdicts.py", "or low > 0", "or low >= 0"),
    ],
)
def test_editing_the_report_retrains_nothing(
    project: Project, file: str, old: str, new: str
) -> None:
    with project.edited(file, old, new):
        planned = project.planned()
    assert planned
    assert planned.keys() <= {"tables", "figures", "manifest", "report"}


UNREAD = [
    # Comments, docstrings and errors.
    ("train/loop.py", "        trainer = T", "        # One.\n        trainer = T"),
    ("train/loop.py", '"""Take one optimiser step over all slots.', '"""A step.'),
    ("train/trainer.py", "make the initial weights again", "draw them anew"),
    ("model/gpt.py", "import torch\n", "import torch\n\n# A model.\n"),
    ("evaluate/loss.py", "import math\n", "import math  # of one number\n"),
    ("errors.py", "is damaged", "is not whole"),
    # Devices and progress.
    ("train/peak.py", '    "T4": ', '    "T5": Peak(1, 2, 3),\n    "T4": '),
    ("train/progress.py", "tokens/s", "tokens a second"),
    ("train/account.py", "round(seconds, 3)", "round(seconds, 4)"),
    ("finetune/console.py", "of the epoch", "of this epoch"),
    ("judge/console.py", "question", "number"),
    # The command line, the study and the README.
    ("cli/options.py", "no such run in", "no run of that name in"),
    ("study/load.py", "def load_study", "WORDS = 1\n\n\ndef load_study"),
    ("../../README.md", "# noiseband", "# Noiseband"),
]


def test_editing_what_decides_no_result_reruns_nothing(project: Project) -> None:
    with ExitStack() as stack:
        for file, old, new in UNREAD:
            stack.enter_context(project.edited(f"src/noiseband/{file}", old, new))
        assert project.planned() == {}


FROM_TRAINING = {
    "train", "evaluate", "finetune", "respond", "judge", "verify_rerun", "tables", "figures",
    "manifest", "report",
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "rules"),
    [
        ("train/schedule.py", "* progress)) / 2.0", "* progress)) / 2.5", FROM_TRAINING),
        (
            "model/scores.py", "1.0 / math.sqrt(", "2.0 / math.sqrt(",
            FROM_TRAINING | {"init", "verify_init"},
        ),
        (
            "evaluate/loss.py", "nats / len(losses)", "nats / (len(losses) + 1)",
            {"evaluate", "tables", "figures", "manifest", "report"},
        ),
        (
            "evaluate/spans.py", "top >> 3", "top >> 4",
            {"contamination", "tables", "figures", "manifest", "report"},
        ),
        (
            "evaluate/seen_questions.py", "SHORTEST = 4", "SHORTEST = 5",
            {"seen_questions", "tables", "figures", "manifest", "report"},
        ),
        (
            "finetune/tuner.py", "total / count", "total / (count + 1)",
            {"finetune", "respond", "judge", "tables", "figures", "manifest", "report"},
        ),
    ],
)  # fmt: skip
def test_editing_one_expression_reruns_what_it_decides(
    project: Project, file: str, old: str, new: str, rules: set[str]
) -> None:
    with project.edited(f"src/noiseband/{file}", old, new):
        planned = project.planned()
    assert planned.keys() == rules
    assert planned.get("train", RUNS) == RUNS


@pytest.mark.parametrize(
    ("edits", "runs"),
    [
        (
            {"clip_norm: 0.1": "clip_norm: 0.2", "default: [42]": "default: [42, 7]"},
            {"clip-42", "clip-22", "both-42", "no-dropout-7", "biased-7", "both-7"},
        ),
        ({"qkv_bias: true": "qkv_bias: true, model.dropout: 0.3"}, {"biased-42"}),
        ({"width: 16": "width: 32"}, RUNS),
        (
            {
                "one-epoch:\n": "another-name:\n",
                "baseline: baseline-42\n": "baseline: baseline-42\nalpha: 0.01\n",
            },
            set(),
        ),
    ],
    ids=["two interventions and a seed", "an intervention", "the baseline", "names"],
)
def test_editing_the_config_retrains_exactly_the_runs_it_concerns(
    project: Project, edits: dict[str, str], runs: set[str]
) -> None:
    with ExitStack() as stack:
        for old, new in edits.items():
            stack.enter_context(project.edited("config/config.yaml", old, new))
        planned = project.planned()
    assert planned.get("train", set()) == runs
    assert "report" in planned


def test_editing_a_readers_code_reads_the_corpus_again(project: Project) -> None:
    reader = "src/noiseband/corpus/embedded/readers/asv.py"
    with project.edited(reader, ".strip()", ".rstrip()"):
        planned = project.planned()
    assert {"corpus", "tokenize", "train"} <= planned.keys()


def test_a_single_target_runs_what_it_needs(project: Project) -> None:
    planned = project.planned("fresh/runs/clip-42/model.safetensors", "--config", "results=fresh")
    assert planned["train"] == {"clip-42"}
    assert planned.keys() == {
        "corpus", "vocabulary", "tokenize", "instructions", "check_data", "init", "train",
    }  # fmt: skip


def test_other_needs_check_the_data_again_and_retrain_nothing(project: Project) -> None:
    with project.edited("config/config.yaml", "template: short", "template: alpaca"):
        planned = project.planned()
    assert "train" not in planned
    assert {"check_data", "finetune"} <= planned.keys()


def test_a_mistake_in_the_config_is_told_without_a_traceback(project: Project) -> None:
    with project.edited("config/config.yaml", "heads: 2", "heads: 3"):
        found = project.snakemake("-n")
    assert found.returncode == 2
    assert "recipe.model: heads=3 does not divide width=16" in found.stderr
    assert "Traceback" not in found.stderr


def test_another_study_has_another_folder(project: Project) -> None:
    other = project.folder / "config" / "other.yaml"
    text = (project.folder / "config" / "config.yaml").read_text()
    other.write_text(text.replace("results: results", "results: results/other"))
    planned = project.planned("--configfile", "config/other.yaml")
    assert planned["train"] == RUNS
    assert project.planned() == {}
