"""A trainer of one's own: how its command is started, stopped, kept apart and taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.study.command_params import CommandParams
from noiseband.study.trainer import Outputs, Trainer
from noiseband.train import external
from noiseband.train.external import Ended, Place, run_command

HEAD = """
import json, os, signal, sys, time
from pathlib import Path
recipe, out, work = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), Path(sys.argv[3])
def finish(**metrics):
    (out / "result.json").write_text(json.dumps({"metrics": metrics, "steps": 3}))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(external, "LOCK_SECONDS", 0.3)
    return tmp_path


def params(script: str, **outputs: str) -> CommandParams:
    """The params of a run whose command is this Python script."""
    Path("train.py").write_text(HEAD + script)
    command = f"{sys.executable} train.py {{recipe}} {{out}} {{work}}"
    trainer = Trainer(command=command, files=["train.py"], seeds=["init_seed", "train_seed"])
    return CommandParams(
        run="a-1",
        intervention="a",
        interventions=["a"],
        repeat_of=None,
        difference={"depth": [1, 2]},
        recipe={"depth": 2, "init_seed": 1, "train_seed": 5},
        seeds={"init_seed": 1, "data_seed": 5, "train_seed": 5},
        command=command,
        files=["train.py"],
        files_sha256=trainer.files_sha256,
        outputs=Outputs(**outputs),
        digest="d" * 64,
    )


def run(script: str, declared: tuple[str, ...] = (), **outputs: str) -> Ended:
    return run_command(params(script, **outputs), Place(Path("w"), Path("o"), 2, 0, 3), declared)


def read(path: str) -> Any:
    return json.loads(Path(path).read_text())


def started(given: CommandParams) -> subprocess.Popen[bytes]:
    """`noiseband train-command` in the background."""
    words = ["noiseband", "train-command", "--params", given.text, "--work", "w", "--out", "o"]
    return subprocess.Popen(words, stderr=subprocess.PIPE, start_new_session=True)


def wait_for(path: str) -> None:
    end = time.monotonic() + 60
    while not Path(path).exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


def test_a_finished_run_has_its_card_and_its_result(capfd: pytest.CaptureFixture[str]) -> None:
    script = """
print("told", recipe["depth"])
sys.stderr.write(os.environ["NOISEBAND_RUN"] + " " + os.environ["OMP_NUM_THREADS"])
finish(loss=recipe["init_seed"] + recipe["train_seed"] / 10)
"""
    assert run(script).stopped_by is None
    assert read("o/result.json") == {
        "metrics": {"loss": {"value": 1.5, "standard_error": None, "n": None}},
        "steps": 3,
        "tokens": None,
        "flops": None,
    }
    card = read("o/recipe.json")
    assert card["recipe"] == {"depth": 2, "init_seed": 1, "train_seed": 5}
    assert card["digest"] == "d" * 64
    assert card["difference"] == {"depth": [1, 2]}
    assert card["trainer"]["files"] == ["train.py"]
    said = capfd.readouterr().err
    assert "told 2" in said
    assert "a-1 3" in said


def test_a_command_that_fails_names_its_status_and_its_last_line() -> None:
    with pytest.raises(UserError) as error:
        run("print('first'); finish(loss=1); sys.exit('no such data')")
    assert str(error.value).startswith("a-1: the command ")
    assert "failed (exit status 1); its last line: no such data" in str(error.value)
    assert not Path("o/result.json").exists()
    with pytest.raises(UserError, match="killed by SIGKILL"):
        run("os.kill(os.getpid(), 9)")


def test_a_command_without_a_result_is_an_error() -> None:
    with pytest.raises(UserError, match=r"result\.json: the command ended with 0 and left no"):
        run("pass")
    assert not Path("o").exists()


def test_a_result_of_an_earlier_execution_is_not_taken_for_this_one() -> None:
    with pytest.raises(UserError):
        run("finish(loss=1); sys.exit(1)")
    with pytest.raises(UserError, match="left no result"):
        run("pass")


def test_a_metric_that_the_study_declares_must_be_there() -> None:
    with pytest.raises(UserError, match=r"metrics\.accuracy: missing.*did you mean accurcy"):
        run("finish(accurcy=1)", ("accuracy",))
    assert run("finish(accuracy=1)", ("accuracy",)).stopped_by is None


def test_a_program_that_is_not_there_is_named() -> None:
    given = params("finish(loss=1)")
    given = given.model_copy(update={"command": "no-such-program {recipe} {out}"})
    with pytest.raises(UserError, match=r"trainer\.command: no-such-program: No such file"):
        run_command(given, Place(Path("w"), Path("o"), 1, 0, 1))


def test_files_that_changed_since_planning_are_refused() -> None:
    given = params("finish(loss=1)")
    Path("train.py").write_text("x")
    with pytest.raises(UserError, match="changed since the study was planned"):
        run_command(given, Place(Path("w"), Path("o"), 1, 0, 1))


SLOW = """
done = int((work / "steps").read_text()) if (work / "steps").exists() else 0
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
if os.fork() == 0:
    signal.signal(signal.SIGTERM, lambda *_: ((work / "worker").write_text("told"), os._exit(0)))
    (work / "ready").write_text("")
    time.sleep(600)
if done == 0:
    while not stop:
        time.sleep(0.01)
    (work / "steps").write_text("7")
    sys.exit(1)
finish(loss=done)
"""


def test_sigterm_reaches_the_whole_group_and_the_next_start_goes_on() -> None:
    given = params(SLOW)
    process = started(given)
    wait_for("w/state/ready")
    os.kill(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert b"stopped; the next start goes on" in said
    assert Path("w/state/worker").read_text() == "told"
    assert not Path("o/result.json").exists()
    again = started(given)
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert read("o/result.json")["metrics"]["loss"]["value"] == 7
    assert read("o/timing.json")["resumed"] is True
    record = read("o/provenance.json")
    assert record["outputs"].keys() == {"result.json", "recipe.json"}
    assert record["inputs"].keys() == {"train.py"}


def test_a_command_that_outlives_its_noiseband_keeps_a_second_one_out() -> None:
    given = params("(work / 'pid').write_text(str(os.getpid())); time.sleep(600)")
    process = started(given)
    wait_for("w/state/pid")
    time.sleep(0.2)
    process.kill()
    process.communicate()
    orphan = int(Path("w/state/pid").read_text())
    try:
        with pytest.raises(UserError, match="another process is making this run"):
            run_command(given, Place(Path("w"), Path("o"), 1, 0, 1))
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_workers_that_a_command_leaves_behind_are_ended() -> None:
    script = """
pid = os.fork()
if pid == 0:
    time.sleep(600)
(work / "child").write_text(str(pid))
finish(loss=1)
"""
    run(script)
    child = int(Path("w/state/child").read_text())
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the worker is still there")


def test_all_outputs_are_taken_over() -> None:
    script = """
import struct
(out / "t.jsonl").write_text('{"step": 0, "loss": 2.5}\\n{"step": 2, "loss": 1.5, "lr": 1}\\n')
(out / "s.jsonl").write_text('{"step": 2, "prompt": "a", "text": "b"}\\n')
(out / "model").mkdir()
head = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
weights = struct.pack("<Q", len(head)) + head + struct.pack("<2f", 1, 2)
(out / "model/model.safetensors").write_bytes(weights)
(out / "model/config.json").write_text("{}")
finish(loss=1)
"""
    run(
        script,
        trace="t.jsonl",
        samples="s.jsonl",
        weights="model/model.safetensors",
        export="model",
    )
    from noiseband.io.digests import file_digest
    from noiseband.io.series import read_series

    steps, series = read_series(Path("o/trace.parquet"))
    assert steps == [0, 2]
    assert series["loss"] == [2.5, 1.5]
    assert series["lr"][1] == 1
    assert read("o/model.json")["sha256"] == file_digest(Path("o/model.safetensors"))
    assert (Path("o/export/model.safetensors")).read_bytes() == Path(
        "o/model.safetensors"
    ).read_bytes()
    assert read("o/export.json")["files"].keys() == {"config.json", "model.safetensors"}
    assert Path("o/samples.jsonl").read_text() == '{"step": 2, "prompt": "a", "text": "b"}\n'


@pytest.mark.parametrize(
    ("script", "outputs", "said"),
    [
        ("finish(loss=1)", {"trace": "t.csv"}, "t.csv: the command ended and left no such file"),
        ("finish(loss=1)", {"export": "m"}, "trainer.outputs.export says that it is a folder"),
        ("finish()", {}, "result.json: metrics: {}"),
        (
            '(out / \'result.json\').write_text(\'{"metrics": {"a": 1}, "loss": 2}\')',
            {},
            "result.json: loss: unknown key",
        ),
        (
            '(out / \'result.json\').write_text(\'{"metrics": {"a": 1}, "steps": 0.5}\')',
            {},
            "result.json: steps: 0.5: write a whole number",
        ),
        (
            "(out / 's.jsonl').write_text('{\"step\": 1, \"prompt\": 2}'); finish(loss=1)",
            {"samples": "s.jsonl"},
            "s.jsonl: line 1: prompt: 2: write text",
        ),
        (
            "(out / 'm.safetensors').write_text('x'); finish(loss=1)",
            {"weights": "m.safetensors"},
            "m.safetensors",
        ),
    ],
)
def test_output_outside_the_contract_is_one_line_and_nothing_is_put_in_place(
    script: str, outputs: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError) as error:
        run(script, (), **outputs)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not Path("o").exists()
