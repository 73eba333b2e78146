"""Every job gets its own devices, with real processes and simulated devices."""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.gpus import reserve
from tests.gpus.jobs import OVERLAP

HOLD = """
import sys, time
from noiseband.gpus import announce, queue, reserve
queue.POLL = 0.02
count = int(sys.argv[2])
print(*(reserve(count, sys.argv[1]) if count else [announce(sys.argv[1])]), flush=True)
time.sleep(60)
"""


class Jobs:
    """Processes that reserve devices and keep them until they are killed."""

    def __init__(self, locks: Path) -> None:
        self.locks = locks
        self.started: list[subprocess.Popen[str]] = []

    def start(self, name: str, count: int, devices: str, **more: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "NOISEBAND_GPUS": devices, **more}
        environment["NOISEBAND_GPU_LOCKS"] = str(self.locks)
        job = subprocess.Popen(
            [sys.executable, "-c", HOLD, name, str(count)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(job)
        return job

    def waiting(self, name: str, count: int, devices: str) -> subprocess.Popen[str]:
        """A job that has drawn its ticket and found no free device."""
        job = self.start(name, count, devices)
        assert job.stderr is not None
        assert job.stderr.readline().startswith("noiseband: waiting for ")
        return job


def got(job: subprocess.Popen[str]) -> str:
    """The devices that a job got, after waiting until it got them."""
    assert job.stdout is not None
    return job.stdout.readline().strip()


def kill(job: subprocess.Popen[str]) -> None:
    job.send_signal(signal.SIGKILL)
    job.wait()


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path / "locks")
    yield made
    for job in made.started:
        kill(job)
        job.communicate()


def test_two_hundred_jobs_never_share_a_device_and_all_end(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpus.jobs", str(tmp_path), "1"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ends = collections.Counter(json.loads(done.stdout))
    assert ends[OVERLAP] == 0
    assert ends.keys() == {0, -signal.SIGKILL}
    assert ends[0] >= 160
    assert ends[-signal.SIGKILL] >= 10


def test_a_job_that_wants_all_is_not_overtaken(jobs: Jobs) -> None:
    first = jobs.start("first", 1, "a,b")
    assert got(first) == "a"
    both = jobs.waiting("both", 2, "a,b")
    later = jobs.waiting("later", 1, "a,b")  # waits, although b is free
    kill(first)
    assert got(both) == "a b"
    kill(both)
    assert got(later) == "a"


def test_a_killed_holder_gives_back_and_a_killed_waiter_leaves_the_queue(jobs: Jobs) -> None:
    holder = jobs.start("holder", 2, "a,b")
    assert got(holder) == "a b"
    both = jobs.waiting("both", 2, "a,b")
    one = jobs.waiting("one", 1, "a,b")
    kill(both)
    kill(holder)
    assert got(one) == "a"
    assert got(jobs.start("another", 1, "a,b")) == "b"


def test_jobs_of_different_outer_devices_do_not_wait_for_each_other(jobs: Jobs) -> None:
    assert got(jobs.start("holder", 1, "a,b")) == "a"
    jobs.waiting("both", 2, "a,b")
    assert got(jobs.start("elsewhere", 2, "c,d")) == "c d"
    across = jobs.waiting("across", 2, "b,e")  # may not take b before `both`
    assert got(jobs.start("beside", 1, "f")) == "f"
    kill(jobs.started[1])
    assert got(across) == "b e"


def test_a_waiting_job_says_who_uses_the_devices(jobs: Jobs) -> None:
    holder = jobs.start("train baseline-42", 1, "a")
    got(holder)
    first = jobs.start("evaluate x", 1, "a")
    second = None
    for job, ahead in ((first, ""), (second, "evaluate x")):
        job = job or jobs.start("evaluate y", 1, "a")
        assert job.stderr is not None
        line = job.stderr.readline()
        assert f"waiting for a GPU; in use by train baseline-42 (process {holder.pid})" in line
        assert (f"in the queue before it {ahead} (process {first.pid})" in line) == bool(ahead)


def test_a_device_is_in_use_while_a_process_of_a_killed_launcher_lives(jobs: Jobs) -> None:
    launcher = jobs.start("launcher", 2, "a,b")
    assert got(launcher) == "a b"
    child = jobs.start("child", 0, "a,b", LOCAL_RANK="1")
    got(child)
    kill(launcher)
    assert got(jobs.start("next", 1, "a,b")) == "a"
    last = jobs.waiting("last", 1, "a,b")
    kill(child)
    assert got(last) == "b"


def test_without_devices_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISEBAND_GPU_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("NOISEBAND_GPUS", "")
    assert reserve(4, "job") == []
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    assert not (tmp_path / "locks").exists()


def test_more_devices_than_there_are_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEBAND_GPU_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("NOISEBAND_GPUS", "a,b")
    with pytest.raises(UserError, match="processes=4: one GPU each, but this machine shows 2"):
        reserve(4, "job")


def test_a_folder_that_is_a_link_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "locks").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("NOISEBAND_GPU_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("NOISEBAND_GPUS", "a,b")
    with pytest.raises(UserError, match="locks is not yours"):
        reserve(1, "job")


def eventually(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_commands_wait_for_a_device_before_they_work(jobs: Jobs, tmp_path: Path) -> None:
    """The real command waits while the device is in use, and then fails because no model exists."""
    holder = jobs.start("holder", 1, "a")
    got(holder)
    junk = tmp_path / "model.safetensors"
    junk.write_bytes(b"no model")
    log = tmp_path / "log"
    with open(log, "w") as file:
        command = subprocess.Popen(
            [
                sys.executable, "-m", "noiseband", "evaluate", "--params", PARAMS,
                "--model", str(junk), "--tokens", str(junk), "--vocabulary", str(junk),
                "--out", str(tmp_path / "loss.json"),
                "--documents", str(tmp_path / "documents.csv"),
            ],
            env={
                **os.environ, "NOISEBAND_GPUS": "a", "NOISEBAND_GPU_LOCKS": str(jobs.locks),
            },
            stderr=file,
        )  # fmt: skip
    eventually(lambda: "waiting for a GPU; in use by holder" in log.read_text())
    assert command.poll() is None
    kill(holder)
    assert command.wait() != 0
    assert "waiting" not in log.read_text().splitlines()[-1]


PARAMS = json.dumps(
    {
        "model": {"vocabulary": 256, "context": 16, "width": 16, "heads": 2, "layers": 1},
        "attention": "explicit",
        "evaluation": {},
    }
)
