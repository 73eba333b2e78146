"""Commands as people type them: exit codes, one-line errors, examples in the help."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from noiseband.cli import app, end, main
from noiseband.io.digests import file_digests
from noiseband.io.files import write_text
from noiseband.study import Section, load_study
from noiseband.study.params import InitParams

PEOPLE = (
    "init", "train", "fit", "verify", "intact", "report", "runs", "schema", "export",
    "publish", "import",
)  # fmt: skip


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from noiseband.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def test_help_lists_every_command_and_shows_examples() -> None:
    commands = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    shown = run("--help").stdout
    assert all(name.replace("_", "-") in shown for name in commands)
    for name in PEOPLE:
        assert "Example:" in run(name, "--help").stdout, name


def test_runs_lists_the_study() -> None:
    done = run("runs", "--config", "config/config.yaml")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(load_study("config/config.yaml").runs)
    assert "optimizer.weight_decay: 0.1 -> 0.01" in done.stdout
    assert "optimizer.clip_norm: null -> 0.5" in done.stdout


def test_init_writes_weights_with_their_digests(tmp_path: Path) -> None:
    done = run("init", "--run", "baseline-42", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    digests = json.loads((tmp_path / "init.json").read_text())
    assert digests == file_digests(tmp_path / "init.safetensors")
    assert done.stdout.startswith(digests["sha256"])


def test_verify_says_identical_or_where(tmp_path: Path) -> None:
    save_file({"w": torch.ones(3)}, tmp_path / "a.safetensors")
    save_file({"w": torch.tensor([1.0, 2.0, 1.0])}, tmp_path / "b.safetensors")
    same = run("verify", tmp_path / "a.safetensors", tmp_path / "a.safetensors")
    assert (same.returncode, same.stdout) == (0, "identical: 1 tensor\n")
    other = run("verify", tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert other.returncode == 1
    assert "different: w: different values" in other.stdout
    assert "first at [1]" in other.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "--config", "none.yaml"], "none.yaml: cannot read the config"),
        (["init", "--run", "baselin-42", "--out", "x"], "did you mean baseline-42?"),
        (["init", "--run", "baseline-42"], "--out is missing"),
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


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "noiseband: some/file: No space left on device; free some space and start"),
        (errno.EROFS, "noiseband: some/file: Read-only file system; make the folder writable"),
        (errno.EIO, "noiseband: some/file: Input/output error; the disk fails"),
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


def test_intact_names_what_is_damaged_and_the_command(small: Path) -> None:
    results = small.parent / "results"
    odd = results / "runs" / "a b" / "model.json"
    for path in (odd, results / "tables" / "runs.csv"):
        write_text(path, "as written\n")
    done = run("intact", "--config", small)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{results}: all 2 files with a checksum are what was written\n"
    odd.write_text("as writteN\n")
    done = run("intact", "--config", small)
    assert (done.returncode, done.stdout) == (1, f"{odd}\n")
    option = f"--configfile {small}"
    assert done.stderr == f"make them again: rm '{odd}' && snakemake '{odd}' {option}\n"
    # What a stage keeps for itself no rule makes; a study inside is another's.
    kept = results / "work" / "judge" / "reply.json"
    inside = results / "mine" / "runs" / "a" / "model.json"
    for path in (kept, inside):
        write_text(path, "as written\n")
        path.write_text("as writteN\n")
    write_text(odd, "as written\n")
    done = run("intact", "--config", small)
    assert (done.returncode, done.stdout) == (1, f"{kept}\n")
    assert done.stderr == f"make them again: rm {kept}\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The workflow's small study, its results in a folder that is not there yet."""
    text = Path("tests/workflow/study.yaml").read_text()
    config = tmp_path / "study.yaml"
    config.write_text(text.replace("results: results", f"results: {tmp_path}/results"))
    return config


def test_train_outside_the_workflow_says_what_to_make_first(small: Path) -> None:
    done = run("train", "--config", small, "--run", "baseline-42", "--out", small.parent / "out")
    assert done.returncode == 2
    assert f" --configfile {small}" in done.stderr


def test_a_report_of_an_unfinished_study_says_what_to_do(small: Path) -> None:
    done = run("report", "--config", small)
    assert (done.returncode, done.stdout) == (2, "")
    missing = small.parent / "results/runs/baseline-42/recipe.json"
    assert done.stderr == (
        f"noiseband: {missing} is not there yet; make it: snakemake {missing} --configfile {small};"
        f" or see what there is: noiseband report --partial --config {small}\n"
    )


def test_params_travel_as_text() -> None:
    recipe = load_study("config/config.yaml").runs["qkv-bias-42"].recipe
    params = InitParams.of(recipe)
    assert InitParams.model_validate_json(params.text) == params
    assert isinstance(params, Section)
    assert params.model.dropout == 0.0


def test_nothing_is_drawn_for_a_run_that_continues_another(small: Path) -> None:
    out = small.parent / "out"
    done = run("init", "--config", small, "--run", "extended", "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    weights = small.parent / "results/runs/baseline-42/model.safetensors"
    assert f"starts from the final weights of baseline-42, which are (or will be) {weights}" in (
        done.stderr
    )
    assert done.stderr.count("\n") == 1
    assert not out.exists()


def test_training_on_from_a_run_that_is_not_there_says_how_to_make_it(small: Path) -> None:
    folder = small.parent / "results" / "tokens" / "pocket"
    folder.mkdir(parents=True)
    for name in ("train.safetensors", "vocabulary.tiktoken"):
        (folder / name).touch()
    for name, file in (
        ("extended", "runs/baseline-42/model.safetensors"),
        ("baseline-42", "init/v2048-c96-w16-h2-l1-keyed-42.safetensors"),
    ):
        done = run("train", "--config", small, "--run", name, "--out", small.parent / "out")
        assert done.returncode == 2
        path = small.parent / "results" / file
        assert f"make it: snakemake {path} --configfile {small}" in done.stderr
