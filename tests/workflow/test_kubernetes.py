"""The jobs that the Kubernetes profile sends are valid by Kubernetes' schema.

The executor's own code sends them to a fake API server, so no cluster is needed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.s3 import SECRET, s3_server
from tests.servers import serving
from tests.workflow.project import Project

VERSIONS = ("1.32", "1.37")
"""The oldest and the newest version with a schema in the package."""

IMAGE = "registry.example/noiseband:0.1.0"


class Api(BaseHTTPRequestHandler):
    """Accepts secrets and jobs, and reports each job as failed."""

    posted: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.posted.append(body)
        self._answer(201, body)

    def do_GET(self) -> None:
        failed = {"kind": "Job", "metadata": {"name": "job"}, "status": {"failed": 1}}
        self._answer(200, failed if self.path.endswith("/status") else {"items": []})

    def do_DELETE(self) -> None:
        self._answer(200, {"kind": "Status", "status": "Success"})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def api(folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """A KUBECONFIG, and everything that is posted to its server."""
    posted: list[dict[str, Any]] = []
    handler = type("Recording", (Api,), {"posted": posted})
    with serving(handler) as url:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        yield folder / "kubeconfig", posted


def test_jobs_fit_the_schema_and_hold_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project")
    with s3_server(tmp_path) as environment, api(tmp_path) as (kubeconfig, posted):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        monkeypatch.setenv("NOISEBAND_CHECKPOINTS", "s3://lab/study")
        done = project.run(
            "snakemake",
            *("--workflow-profile", "profiles/kubernetes", "--retries", "0"),
            *("--container-image", IMAGE, "--default-storage-prefix", "s3://lab/study"),
            *("--seconds-between-status-checks", "1", "--set-resources", "init:gpu=2"),
            "--",
            "results/init/v2048-c96-w16-h2-l1-keyed-42.safetensors",
        )
    assert done.returncode == 1, done.stdout + done.stderr  # without a cluster there is no result
    assert len(posted) == 2, done.stdout + done.stderr
    [secret, job] = posted
    for version in VERSIONS:
        job = {"apiVersion": "batch/v1", "kind": "Job", **job}
        kubernetes_validate.validate(job, version, strict=True)
        kubernetes_validate.validate({"apiVersion": "v1", "kind": "Secret", **secret}, version)
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert container["resources"]["limits"]["memory"] == "8000M"
    assert "init" in container["args"][1]
    # Keys are sent as a secret, and the job refers to them only by name.
    assert base64.b64decode(secret["data"]["aws_secret_access_key"]).decode() == SECRET
    named = {one["name"] for one in container["env"]}
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "NOISEBAND_CHECKPOINTS"} <= named
    assert SECRET not in json.dumps(job) + done.stdout + done.stderr
