"""Odd folders, homes, locales and time zones change no bit; studies share one clone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.faults.project import Project
from tests.faults.test_secrets import SENTINEL, VARIABLES, with_secrets
from tests.project import ROOT

LONG = f"a place with ünïcödé, 'quotes' \"two\" $(touch owned) `id` & ; {'x' * 150}"
FILES = ("runs/clip-42/test_loss.json", "runs/clip-42/model.safetensors", "tables/init.csv")
SEED = "results/init/v512-c128-w16-h2-l1-keyed-42.json"


def clone(folder: Path) -> Path:
    """Make a copy of the repository with the smallest study that has every stage."""
    return Project(folder).folder


Variables = Mapping[str, str | None]


def environment(project: Path, more: Variables) -> dict[str, str]:
    """This process's environment, with the copy's code; a value of None removes the variable."""
    return Project(project).environment(**more)


def run(
    project: Path,
    module: str,
    *words: str,
    cwd: Path | None = None,
    more: Variables = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run `python -m ...` to its end."""
    return Project(project).run(module, *words, cwd=cwd, **more)


@pytest.fixture(scope="session")
def turkish(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a Turkish locale in ISO 8859-9, the default encoding of `tr_TR`."""
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef") is None:
        pytest.skip("no localedef here")
    made = ["localedef", "-i", "tr_TR", "-f", "ISO-8859-9", str(folder / "tr_TR")]
    if subprocess.run(made, capture_output=True).returncode:
        pytest.skip("no sources of locales here")
    return {"LOCPATH": str(folder), "LC_ALL": "tr_TR"}


def test_a_study_is_planned_from_another_folder(tmp_path: Path, turkish: dict[str, str]) -> None:
    """The clone's path has odd characters, there is no home, and the encoding has no dashes."""
    project, elsewhere = clone(tmp_path / LONG), tmp_path / "else where"
    elsewhere.mkdir()
    bare = {"HOME": str(tmp_path / "none"), **turkish}
    words = ("snakemake", "-s", str(project / "Snakefile"), "--cores", "1", "-n")
    found = run(project, *words, cwd=elsewhere, more=bare)
    assert found.returncode == 0, found.stdout + found.stderr
    assert re.search(r"^report +1$", found.stdout + found.stderr, re.MULTILINE)
    config = str(project / "config/config.yaml")
    found = run(project, "noiseband", "plan", "--config", config, cwd=elsewhere, more=bare)
    assert found.returncode == 0, found.stderr
    assert "clip-42" in found.stdout
    assert not (elsewhere / "owned").exists()
    assert not (project / "owned").exists()


def test_a_table_of_machines_that_is_nowhere_is_named(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent / "study.yaml", tmp_path)
    done = run(ROOT, "noiseband", "plan", "--config", "study.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "config/machines.yaml: no such table of machines; start in the project's" in done.stderr


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, run in an ordinary environment."""
    project = clone(tmp_path_factory.mktemp("plain") / "clone")
    done = run(project, "snakemake", "--cores", "2", more={"TZ": "UTC"})
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.mark.campaign
def test_places_locales_and_clocks_change_no_bit(
    plain: Path, tmp_path: Path, turkish: dict[str, str]
) -> None:
    """The whole study runs in another folder, the clock jumps in the middle, and every variable has
    a key: the manifest is the same, and no file has a key."""
    keys = {name: f"{name[:2].lower()}-{SENTINEL}" for name in VARIABLES}
    project = clone(tmp_path / LONG)
    early = {"HOME": None, "TZ": "Asia/Kolkata", **turkish, **keys}
    first = run(project, "snakemake", "--cores", "2", SEED, more=early)
    assert first.returncode == 0, first.stdout + first.stderr
    late = {"HOME": str(tmp_path / "none"), "LC_ALL": "C", "TZ": "America/New_York", **keys}
    rest = run(project, "snakemake", "--cores", "2", more=late)
    assert rest.returncode == 0, rest.stdout + rest.stderr
    manifests = [(folder / "results/manifest.json").read_bytes() for folder in (project, plain)]
    assert manifests[0] == manifests[1]
    done = run(project, "noiseband", "crate", "--out", "crate", more=late)
    assert done.returncode == 0, done.stderr
    assert SENTINEL not in "".join([first.stderr, rest.stdout, rest.stderr, done.stderr])
    assert with_secrets(project) == []
    assert not list(project.rglob("owned"))


@pytest.mark.campaign
def test_a_clone_that_cannot_be_written_to(plain: Path, tmp_path: Path) -> None:
    """The clone is mounted read-only, because root ignores permissions."""
    project, elsewhere = clone(tmp_path / "clone"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    wanted = [f"results/{name}" for name in FILES]
    snakemake = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        str(project / "Snakefile"),
        "--cores",
        "2",
    ]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(project), *snakemake, *wanted],
        cwd=elsewhere,
        env=environment(project, {"HOME": None}),
        capture_output=True,
        text=True,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no right to mount here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(project.rglob("__pycache__"))
    for name in wanted:
        assert (elsewhere / name).read_bytes() == (plain / name).read_bytes()


@pytest.mark.campaign
def test_two_studies_at_once_in_one_clone(plain: Path, tmp_path: Path) -> None:
    """Both run, with a folder of results each; a second start of one names the lock's holder."""
    project = clone(tmp_path / "clone")

    def start(results: str) -> subprocess.Popen[str]:
        wanted = [f"{results}/{name}" for name in FILES]
        words = ["--cores", "1", *wanted, "--config", f"results={results}"]
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *words],
            cwd=project,
            env=environment(project, {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    both = [start("a"), start("b")]
    locks = project / ".snakemake/locks"
    while sum(1 for _ in locks.glob("*.output.lock")) < 2:
        assert all(one.poll() is None for one in both)
        time.sleep(0.1)
    second = start("a")
    said, _ = second.communicate()
    assert second.returncode == 1
    assert "Directory cannot be locked" in said
    outputs = [one.communicate()[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], outputs
    for name in FILES:
        kept = (plain / "results" / name).read_bytes()
        assert (project / "a" / name).read_bytes() == (project / "b" / name).read_bytes() == kept
