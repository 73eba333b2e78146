"""Test commands as people type them: exit codes, one-line errors, examples in the help."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

import noiseband.cli as cli
from noiseband.cli import app, end, main
from noiseband.cli.commands import MODULES
from tests.cli.command import commands, imported, run

PEOPLE = (
    "init", "train", "fit", "verify", "intact", "report", "runs", "schema", "export",
    "publish", "import",
)  # fmt: skip
APART = {"__init__", "commands", "fork_server", "options"}
"""Modules of `noiseband.cli` that have no command."""


def test_a_model_of_a_command_needs_its_shape(tmp_path: Path) -> None:
    protocol = {"instructions": "mine", "epochs": 1, "patience": None, "dropout": 0.0}
    (tmp_path / "file").touch()
    files = [
        word
        for name in ("model", "vocabulary", "rows")
        for word in (f"--{name}", tmp_path / "file")
    ]
    done = run("respond", "--params", json.dumps({"protocol": protocol}), *files, "--out", "x")
    said = "noiseband: --shape is missing: these params are of a run that a command made\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_help_lists_every_command_and_shows_examples() -> None:
    shown = run("--help").stdout
    assert all(f"│ {name} " in shown for name in commands())
    for name in PEOPLE:
        assert "Example:" in run(name, "--help").stdout, name


def test_every_command_is_listed_with_its_module() -> None:
    every = commands()
    where = {name: command.callback.__module__ for name, command in every.items()}
    assert where == {
        name: f"noiseband.cli.{module}" for module, names in MODULES.items() for name in names
    }
    assert len(app.registered_commands) == len(every)
    files = {path.stem for path in Path(cli.__file__).parent.rglob("*.py")}
    assert {name.rpartition(".")[2] for name in MODULES} == files - APART


def test_help_is_the_same_before_the_modules_are_imported() -> None:
    modules = ", ".join(f"noiseband.cli.{module}" for module in MODULES)
    shown = [
        subprocess.run(
            [sys.executable, "-c", f"{code}; sys.argv = ['', '--help']; noiseband.cli.main()"],
            capture_output=True,
            text=True,
        )
        for code in ("import sys, noiseband.cli", f"import sys, {modules}")
    ]
    assert shown[0].stdout == shown[1].stdout != ""


HEAVY = {
    "torch", "matplotlib", "pandas", "numpy", "scipy", "pydantic", "huggingface_hub", "snakemake",
}  # fmt: skip


def test_help_imports_nothing_that_takes_long() -> None:
    assert not imported("--help") & HEAVY


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "--config", "none.yaml"], "none.yaml: cannot read the config"),
        (["init", "--run", "baselin-1", "--out", "x"], "did you mean baseline-1?"),
        (["init", "--run", "baseline-1"], "--out is missing"),
        (["init", "--out", "x"], "--run is missing: give a name that `noiseband runs` lists"),
        (["train", "--out", "x", "--params", "{}"], "--params: run: Field required"),
        (["verify", "none", "nothing"], "neither a tensor file, a digest file or a manifest"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_2(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_process_ends_with_the_same_line_and_status() -> None:
    """The other tests run the entry point in their own process."""
    words = ["-m", "noiseband", "runs", "--config", "none.yaml"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    here = run(*words[2:])
    assert (done.returncode, done.stdout, done.stderr) == (2, "", here.stderr)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "noiseband: some/file: No space left on device; free some space and start"),
        (errno.EROFS, "noiseband: some/file: Read-only file system; make the folder writable"),
        (errno.EIO, "noiseband: some/file: Input/output error; the disk is failing"),
    ],
)
def test_what_a_disk_refuses_is_one_line_and_exit_2(
    number: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise OSError(number, os.strerror(number), "some/file")

    monkeypatch.setattr("noiseband.cli.app", refuse)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    out = capsys.readouterr()
    assert out.err.startswith(said) and out.err.count("\n") == 1


def test_the_backend_of_a_notebook_does_not_stop_charts() -> None:
    """Matplotlib cannot be imported with a backend that only the notebook's Python has."""
    code = "import noiseband.cli as cli; cli.app = lambda: __import__('matplotlib'); cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_socks_proxy_needs_a_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real client of the Hub and of judges says so when it is made."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setattr("noiseband.cli.app", httpx2.Client)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("noiseband: the environment names a SOCKS proxy") and "unset" in said
    assert said.count("\n") == 1


def test_a_package_that_is_missing_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def needs() -> None:
        raise ImportError("no torch")

    monkeypatch.setattr("noiseband.cli.app", needs)
    with pytest.raises(ImportError, match="no torch"):
        main()


def test_another_refusal_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("noiseband.cli.app", refuse)
    with pytest.raises(BrokenPipeError):
        main()


def test_a_line_that_a_full_disk_has_no_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        with pytest.raises(SystemExit) as ended:
            end("no space left")
        monkeypatch.undo()
        with suppress(OSError):
            log.close()
    assert ended.value.code == 2
