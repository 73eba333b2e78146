"""A small Hub on 127.0.0.1 for the real client, which can misbehave on command.

It answers the requests with which the client downloads files: HEAD and GET of
`/<repo>/resolve/<revision>/<file>` (`/datasets/<repo>/...` for a data set), with ranges, the commit
of a branch, and the list of a commit's files, in pages.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tests.servers import serving

RESOLVE = re.compile(
    r"/(?P<repo>(?:datasets/)?[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)"
)
API = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+)/(?P<what>revision|tree)/(?P<revision>[^/]+)"
    r"(?P<folder>/.+)?"
)
PAGE = 2
"""The number of files on a page of a list."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Fault:
    """A wrong answer to the next `times` requests of a kind."""

    method: str
    status: int = 200
    """The error to answer with; 200 sends only half of the body; 0 closes the connection."""
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    path: str = ""
    """A part of the paths to which the fault applies."""


@dataclass
class Hub:
    """The repositories of a server, its planned faults, and the requests that it received."""

    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    """(repository, revision, file) to content; a data set's repository starts with `datasets/`."""
    branches: dict[str, str] = field(default_factory=dict)
    """The commit of each branch, in every repository."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and authorization of each request."""
    ranges: list[tuple[str, int]] = field(default_factory=list)
    """Path and first byte of each request that resumes a file."""
    url: str = ""
    stall_after: int | None = None
    """The number of bytes of a file after which nothing more is sent on the open connection."""
    ignores_ranges: bool = False

    def add(self, repo: str, file: str, content: bytes, revision: str = COMMIT) -> None:
        self.files[repo, revision, file] = content

    def add_folder(self, repo: str, folder: Path, revision: str = COMMIT) -> None:
        """Add every file of a folder, under its path in the folder."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.add(repo, path.relative_to(folder).as_posix(), path.read_bytes(), revision)

    def level(self, repo: str, revision: str, folder: str) -> list[dict[str, Any]]:
        """What is directly in a folder of a commit: its files, and its folders."""
        inside = f"{folder}/" if folder else ""
        found = [file for file in self.tree(repo, revision) if file["path"].startswith(inside)]
        deeper = {one["path"][len(inside) :] for one in found if "/" in one["path"][len(inside) :]}
        folders = sorted({inside + path.partition("/")[0] for path in deeper})
        return [
            *({"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders),
            *(file for file in found if "/" not in file["path"][len(inside) :]),
        ]

    def tree(self, repo: str, revision: str) -> list[dict[str, Any]]:
        """The files of a commit as the list shows them: large ones with their SHA-256."""
        return [
            {
                "type": "file",
                "path": file,
                "size": len(content),
                "oid": hashlib.sha1(content).hexdigest(),
                "lfs": {
                    "oid": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                    "pointerSize": 134,
                },
            }
            for (its, at, file), content in sorted(self.files.items())
            if (its, at) == (repo, revision)
        ]

    def fault(self, method: str, path: str) -> Fault | None:
        """The next fault for a method and a path; each call uses it up once."""
        for fault in self.faults:
            if fault.method == method and fault.times > 0 and fault.path in path:
                fault.times -= 1
                return fault
        return None

    def asked(self, method: str) -> int:
        """The number of requests with this method so far."""
        return sum(one[0] == method for one in self.requests)


@contextmanager
def serve(
    hub: Hub | None = None, made: Callable[[Hub], type[BaseHTTPRequestHandler]] | None = None
) -> Iterator[Hub]:
    """A running Hub, on a free port; with another handler if one is given."""
    hub = hub or Hub()
    with serving((made or _handler)(hub)) as hub.url:
        yield hub


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            # Now and then the client requests something that belongs to no repository.
            if not path.startswith("/api/") or path.startswith(("/api/models", "/api/datasets")):
                hub.requests.append((self.command, path, self.headers["Authorization"]))
            fault = hub.fault(self.command, path)
            listed, asked = API.fullmatch(path), RESOLVE.fullmatch(path)
            repo, revision = "", ""
            if listed:
                repo = ("datasets/" if listed["kind"] == "datasets" else "") + listed["repo"]
                revision = listed["revision"]
            elif asked:
                repo, revision = asked["repo"], asked["revision"]
            revision = hub.branches.get(revision, revision)
            if fault is not None and fault.status == 0:
                self.close_connection = True
            elif fault is not None and fault.status != 200:
                self._send(fault.status, fault.headers)
            elif not any(its == repo for its, _, _ in hub.files):
                self._send(404, {"X-Error-Code": "RepoNotFound"})
            elif not any(key[:2] == (repo, revision) for key in hub.files):
                self._send(404, {"X-Error-Code": "RevisionNotFound"})
            elif listed and listed["what"] == "revision":
                self._send_json({"id": listed["repo"], "sha": revision})
            elif listed:
                query = dict(parse_qsl(urlsplit(self.path).query))
                folder = (listed["folder"] or "").strip("/")
                if query.get("recursive", "").lower() == "true" and not folder:
                    self._send_page(hub.tree(repo, revision))
                else:
                    self._send_page(hub.level(repo, revision, folder))
            elif asked and (content := hub.files.get((repo, revision, asked["file"]))) is not None:
                self._send_file(content, revision, cut=fault is not None)
            else:
                self._send(404, {"X-Error-Code": "EntryNotFound"})

        def _send_page(self, files: list[dict[str, Any]]) -> None:
            address, query = urlsplit(self.path), dict(parse_qsl(urlsplit(self.path).query))
            first = int(query.get("cursor", 0))
            headers = {}
            if first + PAGE < len(files):
                more = urlencode({**query, "cursor": first + PAGE})
                headers["Link"] = f'<{hub.url}{address.path}?{more}>; rel="next"'
            self._send_json(files[first : first + PAGE], headers)

        def _send_json(self, value: Any, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(value).encode()
            sent = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            self._send(200, {**sent, **(headers or {})}, body)

        def _send(self, status: int, headers: dict[str, str], body: bytes | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if body is None:
                self.send_header("Content-Length", "0")
            self.end_headers()
            if body is not None and self.command == "GET":
                stall = hub.stall_after
                self.wfile.write(body[:stall])
                while stall is not None and hub.stall_after == stall:
                    threading.Event().wait(0.02)

        def _send_file(self, content: bytes, revision: str, cut: bool) -> None:
            headers = {
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Repo-Commit": revision,
                "Accept-Ranges": "bytes",
            }
            first = 0
            asked = "" if hub.ignores_ranges else self.headers["Range"] or ""
            last = len(content) - 1
            if part := re.fullmatch(r"bytes=(\d+)-(\d*)", asked):
                first, last = int(part[1]), min(int(part[2] or last), last)
                hub.ranges.append((unquote(urlsplit(self.path).path), first))
                headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            body = content[first : last + 1]
            headers["Content-Length"] = str(len(body))
            self._send(206 if part else 200, headers, body[: len(body) // 2] if cut else body)
            self.close_connection = cut

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    return Handler


REFUSALS: list[tuple[int, dict[str, str], str]] = [
    (403, {"X-Error-Code": "GatedRepo"}, "gated; accept its terms on the Hub and set HF_TOKEN"),
    (401, {"X-Error-Code": "RepoNotFound"}, "no such repository, or a private one"),
    (401, {}, "set HF_TOKEN"),
    (403, {}, "refuses access (403); set HF_TOKEN"),
    (404, {}, "answered 404; check repository, revision, file name and HF_ENDPOINT"),
    (429, {"Retry-After": "0"}, "limits the rate of requests (429), still after retries"),
    (429, {"Retry-After": "700"}, "(429); run again in 700 seconds, as it asks"),
    (500, {}, "the Hub answered 500"),
    (503, {}, "the Hub answered 503"),
    (0, {}, "run again"),
]
"""Status and headers of refusals, with the message about each; status 0 closes the connection."""
