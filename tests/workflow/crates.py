"""Run the RO-Crate community's validator without the internet."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3.response import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
"""The terms in our crates that the context of RO-Crate 1.1 defines differently from that of 1.3,
which is the one in the package rocrate."""


class _OnDisk(HTTPAdapter):
    """Answers every request with the context from the disk."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        text = (resources.files("rocrate") / "data" / "ro-crate.jsonld").read_text("utf-8")
        for term, meaning in OF_1_1.items():
            text, count = re.subn(f'"{term}": "[^"]*"', f'"{term}": "{meaning}"', text)
            assert count == 1
        kind = {"Content-Type": "application/ld+json"}
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, CONTEXT
        response.headers.update(kind)
        body = io.BytesIO(text.encode())
        response.raw = HTTPResponse(body=body, status=200, headers=kind, preload_content=False)
        return response


def complaints(crate: Path, scratch: Path) -> list[str]:
    """The validator's complaints about the requirements of a crate's profile."""
    cache, report = scratch / "http", scratch / "report.json"
    session = CachedSession(cache_name=str(cache), backend="sqlite", expire_after=-1)
    session.mount("https://", _OnDisk())
    session.get(CONTEXT)
    session.close()  # type: ignore[no-untyped-call]
    command = [
        str(Path(sys.executable).with_name("rocrate-validator")), "-y", "--disable-color",
        "validate", str(crate), "--offline", "--cache-path", str(cache), "--no-paging",
        "--profile-identifier", "workflow-run-crate-0.5", "--requirement-severity", "required",
        "--output-format", "json", "--output-file", str(report),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text())
    issues = [f"{issue['check']}: {issue['message']}" for issue in found["issues"]]
    assert found["passed"] == (not issues)
    return issues
