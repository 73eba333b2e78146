"""A whole study with its results in S3 has the same manifest as a study on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import boto3
import pytest

from noiseband.io.checksums import CHECKSUMS
from tests.s3 import SECRET, s3_server
from tests.workflow.command_study import write_command_study
from tests.workflow.project import Project

STUDY = Path(__file__).parent / "cluster_study.yaml"


def project_in(folder: Path) -> Project:
    folder.mkdir()
    made = Project(folder)
    text = STUDY.read_text().replace("machine: pair", "machine: laptop")
    (folder / "config" / "config.yaml").write_text(text.replace("processes: 2", "processes: 1"))
    return made


@pytest.mark.campaign
def test_results_in_s3_are_those_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, elsewhere = (project_in(tmp_path / name) for name in ("a", "b", "c"))
    done = here.snakemake("results/report.html")
    assert done.returncode == 0, done.stdout + done.stderr
    in_s3 = ("--profile", "profiles/s3", "--default-storage-prefix", "s3://lab/study", "--")
    with s3_server(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NOISEBAND_CHECKPOINTS", "s3://lab/checkpoints")
        # One machine trains the models and is lost; another one does the rest.
        done = there.snakemake(*in_s3, "results/runs/baseline-42/model.safetensors")
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (there.folder / "results" / "runs").exists()
        shutil.rmtree(there.folder)
        done = elsewhere.snakemake(*in_s3, "results/report.html")
        assert done.returncode == 0, done.stdout + done.stderr
        said = done.stdout + done.stderr
        assert "Training baseline-22" in said and "Training baseline-42" not in said
        assert SECRET not in said
        assert not [*elsewhere.folder.rglob(CHECKSUMS)], "only declared files travel"
        found = {}
        for name in ("manifest.json", "report.html"):
            body = boto3.client("s3").get_object(Bucket="lab", Key=f"study/results/{name}")["Body"]
            found[name] = body.read().decode()
    manifest = json.loads((here.folder / "results" / "manifest.json").read_text())
    assert json.loads(found["manifest.json"]) == manifest
    assert manifest["sha256"] in found["report.html"]
    assert "unknown: runs/*/timing.json" not in found["report.html"]


@pytest.mark.campaign
def test_a_commands_results_in_s3_are_those_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (project_in(tmp_path / name) for name in ("a", "b"))
    for made in (here, there):
        write_command_study(made.folder, "laptop")
    done = here.snakemake("results/report.html")
    assert done.returncode == 0, done.stdout + done.stderr
    in_s3 = ("--profile", "profiles/s3", "--default-storage-prefix", "s3://lab/study", "--")
    with s3_server(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        done = there.snakemake(*in_s3, "results/report.html")
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (there.folder / "results" / "runs").exists()
        client = boto3.client("s3")
        body = client.get_object(Bucket="lab", Key="study/results/manifest.json")["Body"]
        found = json.loads(body.read())
    assert found == json.loads((here.folder / "results" / "manifest.json").read_text())
