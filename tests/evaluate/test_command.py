"""A command gets an exported model and writes metrics; whatever else it does is one line."""

from __future__ import annotations

import math
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.evaluate.command import run_command
from noiseband.evaluate.outcome import Outcome
from noiseband.io.metrics import Measured
from noiseband.study.architecture import Model
from noiseband.study.evaluation_params import EvaluationParams
from tests.evaluate.further import params

MODEL = Model(vocabulary=257, context=16, width=16, heads=2, layers=1)
WRITES = """
import json, sys
from pathlib import Path
model, out, run = sys.argv[1:]
assert not list(Path(out).iterdir())
Path(out, "metrics.json").write_text(json.dumps({"metrics": {"name": len(model), "run": len(run)}}))
"""


ITEMS = """
import json, sys
from pathlib import Path
out = Path(sys.argv[2])
metrics = {"right": 0.5, "named": {"value": 0.5, "standard_error": 0.1}, "other": 7.0, "seconds": 2}
(out / "metrics.json").write_text(json.dumps({"metrics": metrics}))
lines = [
    {"item": "b", "right": 0, "other": 3},
    {"item": "c", "right": 1, "named": None, "other": float("nan")},
    {"item": "a", "right": 0.5, "named": 0.5, "other": 4},
]
(out / "items.jsonl").write_text("\\n".join(map(json.dumps, lines)))
"""


def given(
    folder: Path, script: str, words: str = "{model} {out} {run}", items: bool = False
) -> EvaluationParams:
    (folder / "eval.py").write_text(script)
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(folder / 'eval.py'))} {words}"
    return params(MODEL, command=command, files=[str(folder / "eval.py")], items=items)


def run(folder: Path, script: str, items: bool = False) -> Outcome:
    return run_command(
        given(folder, script, items=items), folder / "a model's folder", folder / "out"
    )


def test_its_metrics_are_read(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/metrics.json").write_text("of a killed attempt")
    outcome = run(tmp_path, WRITES)
    name = len(str(tmp_path / "a model's folder"))
    assert outcome.metrics == {"name": Measured(name), "run": Measured(11)}
    assert outcome.about["files_sha256"] is not None
    assert not (tmp_path / "out").exists()


def test_its_items_are_read(tmp_path: Path) -> None:
    """Sorted by name; a metric that is their mean has their standard error if it has none."""
    outcome = run(tmp_path, ITEMS, items=True)
    assert outcome.items == ["a", "b", "c"]
    assert outcome.values["right"] == [0.5, 0, 1]
    assert outcome.values["named"] == [0.5, None, None]
    assert outcome.values["other"] == pytest.approx([4, 3, math.nan], nan_ok=True)
    right = outcome.metrics.pop("right")
    assert (right.value, right.n) == (0.5, 3)
    assert right.standard_error == pytest.approx(0.5 / 3**0.5)
    assert outcome.metrics == {
        "named": Measured(0.5, 0.1), "other": Measured(7.0), "seconds": Measured(2.0)
    }  # fmt: skip
    assert outcome.about["items"] == 3
    assert not (tmp_path / "out").exists()


def test_items_that_nobody_asked_for_are_not_read(tmp_path: Path) -> None:
    outcome = run(tmp_path, ITEMS)
    assert (outcome.items, outcome.values) == ([], {}) and "items" not in outcome.about


def test_items_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run(tmp_path, WRITES, items=True)
    assert str(caught.value).endswith(
        'ended well and wrote no items.jsonl; write a line for each item, such as {"item": "1", '
        f'"name": 0.5}}, to {tmp_path / "out/items.jsonl"}, or leave `items: true` out'
    )


def test_what_it_prints_is_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, f"{WRITES}\nprint('to the log')")
    out, err = capfd.readouterr()
    assert "to the log" in err and not out


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit(3)", "ended with status 3; its messages are above this line"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9; its messages"),
        ("", 'ended well and wrote no metrics.json; write {"metrics": {"accuracy": 0.5}} to'),
    ],
)
def test_a_command_that_fails_is_one_line(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        run(tmp_path, script)
    assert str(caught.value).startswith("evaluations.mine.command: `")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    script = WRITES.replace('"name": len(model)', '"name": "x"')
    with pytest.raises(UserError, match=r'out/metrics\.json: metrics\.name: "x": write a number'):
        run(tmp_path, script)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    one = params(MODEL, command="no-such-program {out}")
    with pytest.raises(UserError, match="no-such-program: No such file or directory; give a"):
        run_command(one, tmp_path, tmp_path / "out")


def test_the_signal_to_end_reaches_it(tmp_path: Path) -> None:
    script = f"""
import os, signal, sys, time
def end(*_):
    open({str(tmp_path / "ended")!r}, "w").close()
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
open({str(tmp_path / "started")!r}, "w").close()
time.sleep(60)
"""
    text = given(tmp_path, script).text
    program = (
        "import sys; from pathlib import Path\n"
        "from noiseband.evaluate.command import run_command\n"
        "from noiseband.study.evaluation_params import EvaluationParams\n"
        "one = EvaluationParams.model_validate_json(sys.argv[1])\n"
        "run_command(one, Path('model'), Path(sys.argv[2]))"
    )
    words = [sys.executable, "-c", program, text, str(tmp_path / "out")]
    job = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(job.pid, signal.SIGTERM)
    assert job.wait(timeout=30) != 0
    assert (tmp_path / "ended").exists()


def test_files_that_changed_since_are_noticed(tmp_path: Path) -> None:
    one = given(tmp_path, WRITES)
    one.check_files()
    (tmp_path / "eval.py").write_text(f"{WRITES} ")
    with pytest.raises(UserError, match="changed after Snakemake started; start Snakemake again"):
        one.check_files()
