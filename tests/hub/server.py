"""A small Hub on 127.0.0.1 for the real client: files of repositories, and misbehaviour on command.

It answers what the client asks to download a file: HEAD and GET of
`/<repo>/resolve/<revision>/<file>` (`/datasets/<repo>/...` for a dataset), with ranges.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

RESOLVE = re.compile(
    r"/(?P<repo>(?:datasets/)?[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)"
)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Fault:
    """What to do instead of a right answer, for the next `times` requests of a kind."""

    method: str
    status: int = 200
    """An error to answer; 200 to send only half of the body; 0 to hang up without a word."""
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1


@dataclass
class Hub:
    """Repositories that a server shows, what it does wrong, and what it was asked."""

    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    """(repository, revision, file) to content; a data set's repository starts with `datasets/`."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and authorization of each request."""
    url: str = ""

    def add(self, repo: str, file: str, content: bytes, revision: str = COMMIT) -> None:
        self.files[repo, revision, file] = content

    def fault(self, method: str) -> Fault | None:
        """The next fault for a method, used up once."""
        for fault in self.faults:
            if fault.method == method and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def asked(self, method: str) -> int:
        """Requests so far."""
        return sum(one[0] == method for one in self.requests)


@contextmanager
def serve(
    hub: Hub | None = None, made: Callable[[Hub], type[BaseHTTPRequestHandler]] | None = None
) -> Iterator[Hub]:
    """A running Hub, on a free port; with another handler if one is given."""
    hub = hub or Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), (made or _handler)(hub))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, self.headers["Authorization"]))
            fault = hub.fault(self.command)
            asked = RESOLVE.fullmatch(path)
            if fault is not None and fault.status == 0:
                self.close_connection = True
            elif fault is not None and fault.status != 200:
                self._send(fault.status, fault.headers)
            elif asked is None or not any(repo == asked["repo"] for repo, _, _ in hub.files):
                self._send(404, {"X-Error-Code": "RepoNotFound"})
            elif not any(key[:2] == (asked["repo"], asked["revision"]) for key in hub.files):
                self._send(404, {"X-Error-Code": "RevisionNotFound"})
            elif (content := hub.files.get((asked[1], asked[2], asked[3]))) is None:
                self._send(404, {"X-Error-Code": "EntryNotFound"})
            else:
                self._send_file(content, asked["revision"], cut=fault is not None)

        def _send(self, status: int, headers: dict[str, str], body: bytes | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if body is None:
                self.send_header("Content-Length", "0")
            self.end_headers()
            if body is not None and self.command == "GET":
                self.wfile.write(body)

        def _send_file(self, content: bytes, revision: str, cut: bool) -> None:
            headers = {
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Repo-Commit": revision,
                "Accept-Ranges": "bytes",
            }
            first = 0
            if part := re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or ""):
                first = int(part[1])
                last = len(content) - 1
                headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            body = content[first:]
            headers["Content-Length"] = str(len(body))
            self._send(206 if part else 200, headers, body[: len(body) // 2] if cut else body)
            self.close_connection = cut

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler
