"""Test that a killed run resumes in an empty work folder from object storage."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.train.account import Account
from noiseband.train.checkpoint import file_name, numbered, read
from noiseband.train.loop import train
from noiseband.train.remote_checkpoints import RemoteCheckpoints, uri_of
from noiseband.train.trainer import Job
from tests.s3 import BUCKET, SECRET, s3_server
from tests.train.conftest import MakeJob, train_command
from tests.train.test_deaths import artefacts


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3_server(tmp_path_factory.mktemp("s3")) as environment:
        yield environment


def moved(job: Job, to: Path) -> Job:
    """The same run on another machine, with its inputs but no work folder."""
    to.mkdir()
    for path in job.work.parent.iterdir():
        if path.is_file():
            shutil.copy(path, to)
    return replace(job, init=to / job.init.name, work=to / "work", out=to / "out")


def start(job: Job, environment: dict[str, str], processes: int = 1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*train_command(job, processes), "--checkpoints", f"s3://{BUCKET}/study/run"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def test_killed_on_one_machine_it_goes_on_on_another_from_s3(
    make_job: MakeJob, s3: dict[str, str], tmp_path: Path
) -> None:
    undisturbed = make_job("undisturbed", every=40, **{"data.train_tokens": 25_600})  # 200 steps
    train(undisturbed)
    # Two processes run on one machine; a second save is in progress or done.
    first = moved(undisturbed, tmp_path / "first")
    process = start(first, s3, processes=2)
    while not (first.work / file_name(41)).exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    # One process runs on another machine with an empty work folder.
    second = moved(undisturbed, tmp_path / "second")
    process = start(second, s3)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    log = (second.work / "train.log").read_text()
    assert "going on after step" in log
    assert artefacts(second) == artefacts(undisturbed)
    told = json.loads((second.out / "provenance.json").read_text())["segments"]
    assert [row["processes"] for row in told] == [2, 1]
    assert told[0]["step"] == 0 and told[1]["step"] >= 41
    spoken = said + log + (second.out / "provenance.json").read_text()
    assert SECRET not in spoken and "someone" not in spoken


def copied(job: Job, folder: Path) -> Job:
    return replace(job, copy=folder.as_uri())


def test_the_copy_keeps_what_the_work_folder_keeps(make_job: MakeJob, tmp_path: Path) -> None:
    job = copied(make_job(every=1), tmp_path / "copy")
    train(job, watch=Account)
    there = {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()}
    here = {path.name: path.read_bytes() for path in job.work.iterdir()}
    assert there == {name: here[name] for name in here if name not in ("lock", "train.log")}
    assert len(numbered(tmp_path / "copy")) == job.params.checkpoints.last


def test_a_damaged_copy_is_passed_over(make_job: MakeJob, tmp_path: Path) -> None:
    job = copied(make_job(every=1), tmp_path / "copy")
    train(job, watch=Account)
    (_, newest), (before, _) = numbered(tmp_path / "copy")
    newest.write_bytes(newest.read_bytes()[:-1])
    state, complaints = RemoteCheckpoints(job.copy or "").newest(tmp_path / "elsewhere", 0)
    assert state is not None and state.step == before
    assert len(complaints) == 1 and newest.name in complaints[0]
    assert not (tmp_path / "elsewhere" / newest.name).exists()
    assert read(tmp_path / "elsewhere" / file_name(before)).step == before


def test_a_checkpoint_without_its_trace_is_passed_over(make_job: MakeJob, tmp_path: Path) -> None:
    job = copied(make_job(every=1), tmp_path / "copy")
    train(job, watch=Account)
    journal = tmp_path / "copy" / "trace.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))
    state, complaints = RemoteCheckpoints(job.copy or "").newest(tmp_path / "elsewhere", 0)
    assert state is not None and state.step == job.params.recipe.steps - 1
    assert "trace.jsonl" in complaints[0]


def test_the_newer_of_copy_and_work_folder_is_taken(make_job: MakeJob, tmp_path: Path) -> None:
    job = copied(make_job(every=1), tmp_path / "copy")
    train(job, watch=Account)
    copy = RemoteCheckpoints(job.copy or "")
    assert copy.newest(job.work, job.params.recipe.steps) == (None, [])
    assert copy.newest(tmp_path / "elsewhere", job.params.recipe.steps - 1)[0] is not None


def test_training_goes_on_where_the_store_does_not_take_a_copy(
    make_job: MakeJob, tmp_path: Path
) -> None:
    plain, job = make_job("plain"), copied(make_job("copied"), tmp_path / "copy")
    (tmp_path / "copy").write_text("a file where the folder should be")
    train(plain)
    with pytest.raises(UserError, match="cannot keep checkpoints at file:"):
        train(job, watch=Account)
    (tmp_path / "copy").unlink()
    (tmp_path / "copy" / "trace.jsonl").mkdir(parents=True)
    train(job, watch=Account)
    assert "cannot copy the checkpoint" in (job.work / "train.log").read_text()
    assert artefacts_but_provenance(job) == artefacts_but_provenance(plain)


def artefacts_but_provenance(job: Job) -> dict[str, bytes]:
    names = ("model.safetensors", "trace.parquet", "samples.jsonl")
    return {name: (job.out / name).read_bytes() for name in names}


def test_each_work_folder_has_its_own_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISEBAND_CHECKPOINTS", "s3://lab/study/")
    assert uri_of(Path("results/work/a-1")) == "s3://lab/study/results/work/a-1"
    assert uri_of(Path("/scratch/work")) == "s3://lab/study/scratch/work"
    monkeypatch.delenv("NOISEBAND_CHECKPOINTS")
    assert uri_of(Path("results/work/a-1")) is None


def test_a_password_in_the_uri_is_refused_unspoken() -> None:
    with pytest.raises(UserError) as refused:
        RemoteCheckpoints(f"s3://someone:{SECRET}@lab/run")
    assert SECRET not in str(refused.value)
    with pytest.raises(UserError, match="nosuchstore"):
        RemoteCheckpoints("nosuchstore://lab/run")
