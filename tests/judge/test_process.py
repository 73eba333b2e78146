"""`noiseband judge` as a process: killed, interrupted, over budget, and without a terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noiseband.io.files import read_jsonl
from noiseband.judge.store import Store
from noiseband.study.judges import Budget, OpenAIJudge
from noiseband.study.params import JudgeParams
from tests.judge.conftest import KEY, scores, write_answers
from tests.judge.server import Endpoint, echo_key, status, text

ANSWERS = {"a-42/1": [f"I say {n}." for n in range(12)], "b-42/1": ["I say 50."] * 12}


class Command:
    """The command, with its files in one folder."""

    def __init__(self, folder: Path, endpoint: Endpoint) -> None:
        self.folder = folder
        self.endpoint = endpoint
        self.files = write_answers(folder, ANSWERS)
        self.out = folder / "round-1.jsonl"
        self.shown = ""

    def start(self, **config: object) -> subprocess.Popen[str]:
        given = {"kind": "openai", "base_url": self.endpoint.base_url, "model": "judge", **config}
        text = JudgeParams(judge=OpenAIJudge.model_validate(given)).text
        return subprocess.Popen(
            self.words(text, "--store", str(self.folder / "store")),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # SIGINT may be ignored in the tests' own process, as shells do for background jobs.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def words(self, params: str, *more: str) -> list[str]:
        main = [sys.executable, "-c", "from noiseband.cli import main; main()", "judge"]
        given = ["--params", params, "--round", "1", "--out", str(self.out), *more]
        return [*main, *given, *map(str, self.files)]

    def run(self, **config: object) -> tuple[int | None, str]:
        process = self.start(**config)
        self.shown, complaint = process.communicate(timeout=60)
        return process.returncode, complaint


@pytest.fixture
def command(tmp_path: Path, endpoint: Endpoint) -> Command:
    return Command(tmp_path, endpoint)


def test_a_killed_process_asks_only_for_what_is_missing(
    command: Command, endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.pause = 0.15
    process = command.start(at_once=2)
    while len(endpoint.bodies) < 6:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not command.out.exists()
    time.sleep(2 * endpoint.pause)  # until the server notices the end
    kept = [entry for entry in Store(tmp_path / "store").entries() if entry.finished]
    asked = len(endpoint.bodies)
    assert asked - 2 <= len(kept) <= asked < 12  # only those in flight are lost
    endpoint.pause = 0.0
    assert command.run() == (0, "")
    assert command.shown == ""
    assert len(endpoint.bodies) - asked == 12 - len(kept)
    assert scores(read_jsonl(command.out))["a-42/1"] == [float(n) for n in range(12)]

    (tmp_path / "other").mkdir()
    undisturbed = Command(tmp_path / "other", endpoint)
    assert undisturbed.run(at_once=1) == (0, "")
    assert undisturbed.out.read_bytes() == command.out.read_bytes()


def test_an_interrupted_process_keeps_what_is_in_flight(
    command: Command, endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.pause, endpoint.faults = 0.3, [status(429, retry_after="100")]
    process = command.start(at_once=2)
    while len(endpoint.bodies) < 4:
        time.sleep(0.01)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert time.monotonic() - start < 10  # less than the wait that was asked for
    assert process.returncode not in (0, 2)
    assert "Traceback" not in complaint
    entries = Store(tmp_path / "store").entries()
    assert sum(entry.requests for entry in entries) == len(endpoint.bodies)
    assert sum(entry.finished for entry in entries) == len(endpoint.bodies) - 1


def test_a_refusal_is_one_line_and_exit_2(command: Command, endpoint: Endpoint) -> None:
    endpoint.always = echo_key(401)
    code, complaint = command.run()
    assert code == 2
    assert complaint.count("\n") == 1
    assert "noiseband: judge: the endpoint refuses with status 401" in complaint
    assert KEY not in complaint
    assert not command.out.exists()


def test_missing_scores_are_told_on_the_terminal_and_in_the_log(
    command: Command, endpoint: Endpoint
) -> None:
    endpoint.faults = [status(413)]
    code, log = command.run()
    said = "noiseband: judge: 2 of 24 scores of round 1 are missing; "
    assert code == 0
    assert command.shown.startswith(said)  # standard output, which Snakemake does not redirect
    assert command.shown.count("\n") == 1
    assert log.endswith(command.shown)


def test_a_round_without_scores_is_one_line_and_exit_2(
    command: Command, endpoint: Endpoint
) -> None:
    endpoint.always = text("They are all fine.")
    code, complaint = command.run(attempts=1)
    assert (code, command.shown) == (2, "")
    assert complaint.splitlines()[-1].startswith("noiseband: judge: round 1 has no score for any")
    assert not command.out.exists()


def test_a_budget_is_one_line_and_exit_2(command: Command, endpoint: Endpoint) -> None:
    budget = Budget(requests=5).model_dump()
    code, complaint = command.run(budget=budget, at_once=3)
    assert (code, complaint.count("\n")) == (2, 1)
    assert "judge.budget.requests: 5 is spent (5); raise it and run again" in complaint
    assert command.run(budget=budget | {"requests": 12}) == (0, "")
    assert len(endpoint.bodies) == 12


def test_a_store_is_needed(command: Command) -> None:
    text = json.dumps({"judge": {"kind": "openai", "base_url": "http://x/v1", "model": "m"}})
    done = subprocess.run(command.words(text), capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--store is missing" in done.stderr
