"""Every documented command that starts a workflow plans one, in the folder that its page means."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest

from tests.documented import documented
from tests.project import ROOT
from tests.workflow.project import Project

NEED_MORE = ("profiles/kubernetes", "profiles/s3", "benchmarks/plain_study.smk")
"""The first two are tested in test_kubernetes.py and test_storage.py, with a service of their own;
the last is a benchmark of planning that takes as long as all others."""

ELSEWHERE = {
    "noiseband run results/curve/runs/baseline-1/result.json --config my-study.yaml": (
        "tests/workflow/test_extending.py::test_the_commands_lead_to_a_report"
    ),
    "snakemake --report workflow.html": (
        "tests/workflow/test_dag.py::test_snakemakes_own_report_shows_the_outputs"
    ),
    "snakemake --unlock": (
        "tests/cli/test_run.py::test_the_printed_command_repairs_a_file_where_it_is_printed"
    ),
}
"""Commands that plan nothing, and the tests that execute them."""

ALL = [one for one in documented() if one.starts_a_workflow and not one.has_a_gap]


def planned() -> list[str]:
    """The commands without the options with which planning is the same."""
    texts = (
        re.sub(" (-n|-np|--dry-run|--cores all)(?= |$)", "", one.filled_in)
        for one in ALL
        if one.text not in ELSEWHERE and not any(name in one.text for name in NEED_MORE)
    )
    return sorted({*texts})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The repository after the tutorial's change, with a study of one's own."""
    made = Project(tmp_path_factory.mktemp("documented"), ROOT / "config/config.yaml")
    config = made.folder / "config"
    for file in (ROOT / "config").glob("*.yaml"):
        shutil.copy(file, config)
    pocket = config / "config.yaml"
    idea = "interventions:\n  my-idea: {optimizer.betas: [0.9, 0.95]}\n"
    pocket.write_text(pocket.read_text().replace("interventions:\n", idea))
    own = pocket.read_text().replace("results: results\n", "results: results/mine\n")
    (made.folder / "my-study.yaml").write_text(own)
    return made


def test_the_study_of_the_benchmark_is_there() -> None:
    (one,) = (one for one in ALL if NEED_MORE[-1] in one.text)
    assert (ROOT / one.words[one.words.index("-s") + 1]).is_file()


def test_what_is_tested_elsewhere_is_documented_and_tested() -> None:
    assert ELSEWHERE.keys() <= {one.text for one in ALL}
    for test in ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text()


@pytest.mark.parametrize("command", planned())
def test_a_documented_command_plans(project: Project, command: str) -> None:
    program, *words = shlex.split(command)
    if program == "snakemake":
        done = project.snakemake("-n", *words)
    else:
        done = project.noiseband(words[0], "-n", *words[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "Nothing to be done" in said or "total" in said or "--version" in command
