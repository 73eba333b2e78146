"""A copy of the repository with the smallest study that has every stage, to be broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUDY = Path(__file__).parent / "study.yaml"
POCKET = ROOT / "config/config.yaml"
PARTS = ("Snakefile", "README.md", "constraints.txt", "workflow", "profiles", "src")


class Project:
    """A folder in which `snakemake` and `noiseband` run on a study of its own."""

    def __init__(self, folder: Path, study: Path = STUDY) -> None:
        """Made where it is not there yet."""
        self.folder = folder
        if (folder / "config").exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / part, ignore=ignored)
            else:
                shutil.copy(ROOT / part, folder / part)
        (folder / "config").mkdir()
        shutil.copy(study, folder / "config/config.yaml")
        shutil.copy(ROOT / "config/machines.yaml", folder / "config")

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def manifest(self) -> bytes:
        """Digests of all that the study made; empty where it has not come that far."""
        path = self.results / "manifest.json"
        return path.read_bytes() if path.exists() else b""

    def environment(self, **more: str) -> dict[str, str]:
        scripts = str(Path(sys.executable).parent)
        return {
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "src"),
            "OMP_NUM_THREADS": "1",
            **more,
        }

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """`snakemake ...` in a session of its own, to be killed with all that it starts."""
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

    def run(
        self, module: str, *words: str, cwd: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """`noiseband ...` or `snakemake ...` to its end."""
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=cwd or self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
        )


def finished(folder: Path, study: Path = STUDY) -> Project:
    """The project in `folder` with its study run to the end, by the first who asks for it."""
    project = Project(folder, study)
    if not project.manifest and project.start().wait():
        raise RuntimeError((folder / "snakemake.log").read_text())
    return project
