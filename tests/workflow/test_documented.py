"""Every documented command that starts a workflow plans one, in the folder that its page means."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest

from tests.project import ROOT
from tests.test_docs import PAGES, blocks
from tests.workflow.project import Project

NEED_A_SERVICE = ("profiles/kubernetes", "profiles/s3")
"""Tested in test_kubernetes.py and test_storage.py, with a service of their own."""


def documented() -> list[str]:
    shell = [block for page in PAGES for block in blocks(page, "sh", "console")]
    lines = [line for block in shell for line in block.replace("\\\n", " ").splitlines()]
    found = (line.removeprefix("$ ").partition(" #")[0].strip() for line in lines)
    starts = {line for line in found if re.match(r"(snakemake|noiseband run)\b", line)}
    return sorted(line for line in starts if not any(name in line for name in NEED_A_SERVICE))


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
    shutil.copy(pocket, made.folder / "my-study.yaml")
    return made


@pytest.mark.parametrize("command", documented())
def test_a_documented_command_plans(project: Project, command: str) -> None:
    program, *words = shlex.split(command)
    if program == "snakemake":
        done = project.snakemake("-n", *words)
    else:
        done = project.noiseband(words[0], "-n", *words[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr or "total" in done.stdout + done.stderr
