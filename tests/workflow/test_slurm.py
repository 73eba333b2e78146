"""A study on a real Slurm cluster of two nodes gives the manifest of a local execution.

Its training jobs are requeued and cancelled midway.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.cluster import PARTITION, cluster, missing, slurm, wait
from tests.workflow.command_study import write_command_study
from tests.workflow.project import Project

MACHINE = f"""
  pair:
    devices: 2
    nodes: 2
    partition: {PARTITION}
    memory_gib: 4
    base_gib: 0.4
    source: two nodes of the test
    rates:
      - {{model: pocket, precision: float32, dropout: true, tokens_per_second: 29449}}
"""
MANIFEST = "results/manifest.json"


@pytest.fixture
def two_nodes(tmp_path: Path) -> Iterator[None]:
    reason = missing()
    if reason is not None:
        warnings.warn(f"NOT TESTED: a study on a Slurm cluster; {reason}", stacklevel=1)
        pytest.skip(reason)
    root = tmp_path / "cluster"
    root.mkdir()
    with cluster(root):
        yield


class OnCluster(Project):
    """The project with the cluster's study, machine and profile."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(folder)
        shutil.copy(Path(__file__).parent / "cluster_study.yaml", folder / "config" / "config.yaml")
        table = folder / "config" / "machines.yaml"
        table.write_text(table.read_text().replace("\nmachines:\n", f"\nmachines:{MACHINE}"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Snakemake with the profile; it polls more often than would be polite elsewhere."""
        command = ["--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue"]
        command += ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"]
        command += ["--set-threads", "tokenize=1"]
        return self.background("snakemake", *command, *arguments)

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        output = process.communicate(timeout=900)[0]
        return process.returncode, output

    def log(self, run: str) -> str:
        """The log of a run's processes, from every segment."""
        found = list((self.folder / "results" / "work").glob(f"{run}-*/train.log"))
        return found[0].read_text() if found else ""

    def training(self, run: str, process: subprocess.Popen[str]) -> str:
        """The Slurm job that trains the run, once it has saved a checkpoint."""
        work = self.folder / "results" / "work"
        end = time.monotonic() + 300
        while not list(work.glob(f"{run}-*/step-*")):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end, slurm("squeue")  # the last column gives the reason
            time.sleep(0.2)
        jobs = slurm("squeue", "-h", "-t", "R", "-o", "%i %k").splitlines()
        [job] = [line.split()[0] for line in jobs if run in line]
        return job


def start_at_once(job: str) -> None:
    """Start a requeued job immediately; Slurm would let it wait for two minutes."""
    wait(lambda: slurm("squeue", "-h", "-j", job, "-o", "%r") == "BeginTime", 60, "a queued job")
    subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)


def test_queued_again_and_cancelled_it_gives_the_local_manifest(
    two_nodes: None, tmp_path: Path
) -> None:
    local, remote = (OnCluster(tmp_path / name) for name in ("local", "remote"))
    undisturbed = local.background(
        "snakemake", "--cores", "1", "--config", "processes=1", "--", MANIFEST
    )

    # Each run uses two nodes with one process each. With --retries 0, cancelled jobs stay
    # cancelled.
    first = remote.start("--retries", "0", "--", MANIFEST)
    queued_again = remote.training("baseline-42", first)
    asked = slurm("squeue", "-h", "-j", queued_again, "-o", "%D nodes, %C CPUs, %m, %P, %l")
    assert re.fullmatch(r"2 nodes, 2 CPUs, 145\dM, pair, 11:00", asked), asked
    subprocess.run(["scontrol", "requeue", queued_again], check=True)
    cancelled = remote.training("baseline-22", first)
    subprocess.run(["scancel", cancelled], check=True)
    start_at_once(queued_again)
    status, output = remote.finish(first)
    assert status == 1, output
    assert "baseline-22" in output and "CANCELLED" in output

    # One process on one node resumes where two processes were cancelled.
    status, output = remote.finish(remote.start("--config", "processes=1", "--", MANIFEST))
    assert status == 0, output
    for run in ("baseline-42", "baseline-22"):
        assert re.search(r"stopped by SIGTERM; saved", remote.log(run)), remote.log(run)
        assert re.search(r"going on after step \d+ of", remote.log(run))
    status, output = local.finish(undisturbed)
    assert status == 0, output
    manifests = [json.loads((one.folder / MANIFEST).read_text()) for one in (local, remote)]
    assert manifests[0] == manifests[1]


def test_a_command_gives_the_local_results(two_nodes: None, tmp_path: Path) -> None:
    local, remote = (OnCluster(tmp_path / name) for name in ("local", "remote"))
    for made in (local, remote):
        write_command_study(made.folder, "pair")
    done = local.snakemake(MANIFEST)
    assert done.returncode == 0, done.stdout + done.stderr
    status, output = remote.finish(remote.start("--", MANIFEST))
    assert status == 0, output
    manifests = [json.loads((one.folder / MANIFEST).read_text()) for one in (local, remote)]
    assert manifests[0] == manifests[1]
