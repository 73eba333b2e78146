"""The smallest study that has every stage, for the fault campaigns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import project
from tests.project import ROOT

STUDY = Path(__file__).parent / "study.yaml"
POCKET = ROOT / "config/config.yaml"


class Project(project.Project):
    """A copy of the repository with this study or another."""

    def __init__(self, folder: Path, study: Path = STUDY) -> None:
        super().__init__(folder, study)

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """Start `snakemake ...` in its own session, so that all of its processes can be killed."""
        with open(self.folder / "snakemake.log", "a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "2", *words],
                cwd=self.folder,
                env=self.environment(**more),
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )


def finished(folder: Path, study: Path = STUDY) -> Project:
    """The project in `folder` with its finished study, which the first call runs."""
    made = Project(folder, study)
    if not made.manifest and made.start().wait():
        raise RuntimeError((folder / "snakemake.log").read_text())
    return made
