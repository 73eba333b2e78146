"""A copy of the repository with a study of its own, whose files can be edited and broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "README.md", "constraints.txt", "workflow", "profiles", "src")


class Project:
    """A folder in which `snakemake` and `noiseband` run on the copy's code."""

    def __init__(self, folder: Path, study: Path) -> None:
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

    def environment(self, **more: str | None) -> dict[str, str]:
        """This process's, with the copy's code before the installed package; None takes a variable
        away."""
        scripts = str(Path(sys.executable).parent)
        given: dict[str, str | None] = {
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "src"),
            "OMP_NUM_THREADS": "1",
            **more,
        }
        return {name: value for name, value in given.items() if value is not None}

    def run(
        self, module: str, *words: str, cwd: Path | None = None, **more: str | None
    ) -> subprocess.CompletedProcess[str]:
        """`noiseband ...` or `snakemake ...` to its end."""
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=cwd or self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            errors="replace",
        )
