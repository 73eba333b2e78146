"""`noiseband verdicts`: from files to an answer and an exit status, as a user types it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from noiseband.cli import app
from noiseband.errors import UserError
from tests.project import ROOT
from tests.small_study import write_study

DOCS = (ROOT / "docs/referee.md").read_text(encoding="utf-8")
LOSSES = re.search(r"```csv\n(.*?)```", DOCS, re.DOTALL)[1]  # type: ignore[index]
SHOWN = re.search(r"```text\n(.*?)```", DOCS, re.DOTALL)[1]  # type: ignore[index]


SLOW = {
    "torch", "matplotlib", "scipy.stats", "jinja2", "yaml", "huggingface_hub", "snakemake",
    "noiseband.study", "noiseband.analysis", "noiseband.cli.rules.corpus", "noiseband.cli.run",
}  # fmt: skip
"""What takes long to import, and modules of noiseband that import much."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs, with the losses of the documentation."""
    (tmp_path / "losses.csv").write_text(LOSSES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(*words: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(app, ["verdicts", *words], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_documented_command_prints_what_the_documentation_shows(folder: Path) -> None:
    """In a process of its own, which imports nothing that the answer does not need."""
    program = (
        "import sys; from noiseband.start import main\n"
        "try: main()\n"
        f"finally: print(sorted({SLOW!r} & set(sys.modules)), file=sys.stderr)"
    )
    words = [sys.executable, "-c", program, "verdicts", "losses.csv", "--baseline", "main"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert done.stdout == SHOWN
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert SHOWN.partition("\n\n±")[0] in readme


def test_import_noiseband_imports_no_library() -> None:
    heavy = "{'torch', 'matplotlib', 'pandas', 'scipy', 'numpy', 'pydantic'}"
    program = f"import sys, noiseband; print(sorted({heavy} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_standard_input_is_a_file(folder: Path) -> None:
    piped = called("-", "--baseline", "main", stdin=LOSSES)
    assert piped.stdout == called("losses.csv", "--baseline", "main").stdout


def test_logs_and_arms_in_their_paths(folder: Path) -> None:
    (folder / "log").mkdir()
    for row in LOSSES.split()[1:]:
        arm, seed, loss = row.split(",")
        text = f"step 1 val_loss:9.0\nstep 2 val_loss:{loss} done\n"
        (folder / f"log/{arm}_{seed}.txt").write_text(text)
    files = sorted(map(str, Path("log").glob("*.txt")))
    pattern = ["--pattern", "val_loss:(?P<loss>[0-9.]+)"]
    paths = ["--arm-from-path", "log/{arm}_{seed}.txt"]
    found = called(*files, *pattern, *paths, "--baseline", "main", "--format", "json")
    expected = called("losses.csv", "--baseline", "main", "--format", "json")
    ours, theirs = (json.loads(one.stdout)["verdicts"] for one in (found, expected))
    assert [{**one, "metric": "val_loss"} for one in ours] == theirs


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--fail-on", "hurts"], 0, ""),
        (["--fail-on", "within noise"], 1, "wider-lr: within noise (val_loss)"),
        (["--require", "helps"], 1, "wider-lr: within noise (val_loss), and --require says helps"),
        (["--require", "helps", "--require", "within noise"], 0, ""),
    ],
)
def test_gates(folder: Path, words: list[str], status: int, said: str) -> None:
    done = called("losses.csv", "--baseline", "main", *words)
    assert (done.exit_code, said in done.stderr) == (status, True)
    assert "muon" in done.stdout


def test_a_target_a_margin_and_the_number_of_comparisons(folder: Path) -> None:
    assert "better than the target" in called("losses.csv", "--target", "3.4").stdout
    near = called("losses.csv", "--baseline", "main", "--margin", "1%").stdout
    assert near.count("no difference that matters") == 2
    assert "all 12 comparisons" in called("losses.csv", "--baseline=main", "--family=12").stdout


@pytest.mark.parametrize("format", ["markdown", "json", "csv", "html", "text"])
def test_every_format_can_be_a_file(folder: Path, format: str) -> None:
    words = ["losses.csv", "--baseline", "main", "--format", format]
    done = called(*words, "--out", "verdict.out")
    assert done.stdout == "verdict.out\n"
    assert (folder / "verdict.out").read_text() == called(*words).stdout


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (LOSSES, ["--baseline", "mian"], "--baseline mian: no such arm; did you mean main?"),
        (LOSSES, [], "--baseline is missing: name the arm"),
        (LOSSES.replace("3.2861", "3.2861x"), ["--metric", "val_loss"], "losses.csv, line 4: val_"),
        (LOSSES.replace("val_loss", "mmlu"), ["--baseline", "main"], "--better is missing"),
        ("arm,loss\n", ["--baseline", "main"], "losses.csv"),
        ("loss\n3.1\n3.2\n", ["--baseline", "main"], "losses.csv: no column arm or intervention"),
    ],
)
def test_bad_input_is_one_line(folder: Path, content: str, words: list[str], message: str) -> None:
    (folder / "losses.csv").write_text(content)
    with pytest.raises(UserError) as caught:
        called("losses.csv", *words)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_one_run_in_all_is_not_enough(folder: Path) -> None:
    (folder / "losses.csv").write_text("arm,loss\nmain,3.1\nnew,3.2\n")
    assert "not enough runs" in called("losses.csv", "--baseline", "main").stdout


def study(folder: Path) -> Path:
    return Path(shutil.copy(ROOT / "config/config.yaml", folder / "study.yaml"))


def test_without_files_the_studys_own_verdicts_also_while_it_runs(folder: Path) -> None:
    waiting = called("--config", str(study(folder))).stdout
    assert "0 of 46 runs are finished (46 waiting)" in waiting.replace("\n", " ")
    assert "there is no verdict before a run of the baseline is finished" in waiting.replace(
        "\n", " "
    )
    for words in (["--baseline", "main"], ["--metric", "loss"], ["--take", "best"]):
        with pytest.raises(UserError, match="FILE is missing"):
            called(*words, "--config", str(study(folder)))


def test_a_studys_results_are_a_source_like_any_other(folder: Path) -> None:
    write_study(folder / "results")
    found = called("results", "--metric", "test_loss", "--format", "csv").stdout
    assert found.startswith("metric,arm,effect")
    assert "\ntest_loss,remove-dropout," in found
