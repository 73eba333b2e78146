"""The Hub of `server.py`, to which the real client can also write: repositories and commits.

Regular files are part of the commit request. Large ones (`*.safetensors`, `*.parquet`, or more
than a megabyte) are sent before it by Git LFS, each to its own address. The name of a commit is a
digest of its contents. Writing needs the one right token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from tests.hub.server import Fault, Hub, _handler, serve

TOKEN = "hf_" + "w" * 34
API = re.compile(
    r"/api/models/(?P<repo>[^/]+/[^/]+)(?:/(?P<what>preupload|commit|revision)/(?P<revision>.+))?"
)
BATCH = re.compile(r"/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch")
REGULAR = 1_000_000


@dataclass
class WritableHub(Hub):
    """A Hub that keeps what was sent to it."""

    head: dict[str, str] = field(default_factory=dict)
    """The newest commit of each repository; an empty text before the first."""
    private: dict[str, bool] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    """The contents of large files, by SHA-256."""
    messages: list[str] = field(default_factory=list)
    """The messages of the commits."""

    def contents(self, repo: str, revision: str) -> dict[str, bytes]:
        """The files of a commit, by name."""
        return {f: c for (r, v, f), c in self.files.items() if (r, v) == (repo, revision)}

    def write_fault(self, method: str, path: str) -> Fault | None:
        """The next fault for a method, or for a method and the path without its last part."""
        for fault in self.faults:
            if fault.times > 0 and fault.method in (method, f"{method} {path.rpartition('/')[0]}"):
                fault.times -= 1
                return fault
        return None

    def sent(self) -> int:
        """How often a large file was sent."""
        return sum(path.startswith("/lfs/") for _, path, _ in self.requests)


@contextmanager
def serve_writable() -> Iterator[WritableHub]:
    with serve(WritableHub(), writing_handler) as hub:
        assert isinstance(hub, WritableHub)
        yield hub


def is_large(path: str, size: int) -> bool:
    return path.endswith((".safetensors", ".parquet")) or size > REGULAR


def oid(path: str, content: bytes) -> str:
    """The id that the real Hub gives a file: SHA-256 of a large one, Git's SHA-1 of any other."""
    if is_large(path, len(content)):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def writing_handler(hub: Any) -> Any:
    class Handler(_handler(hub)):  # type: ignore[misc]
        def do_POST(self) -> None:  # noqa: N802
            self._write()

        def do_PUT(self) -> None:  # noqa: N802
            self._write()

        def do_GET(self) -> Any:  # noqa: N802
            path = unquote(urlsplit(self.path).path)
            if not (asked := API.fullmatch(path)):
                return super().do_GET()
            hub.requests.append(("GET", path, self.headers["Authorization"]))
            return self._repository(asked["repo"], asked["revision"])

        def _write(self) -> Any:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, self.headers["Authorization"]))
            fault = hub.write_fault(self.command, path)
            if fault is not None and fault.status == 200:  # reads half of what is sent
                self.rfile.read(int(self.headers["Content-Length"] or 0) // 2)
                self.close_connection = True
                return None
            body = self._body()
            if fault is not None and fault.status == 0:
                self.close_connection = True
                return None
            if fault is not None:
                return self._send(fault.status, fault.headers)
            if path.startswith("/lfs/"):  # this address needs no token
                return self._object(path.removeprefix("/lfs/"), body)
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                return self._send(401, {})
            return self._route(path, body)

        def _route(self, path: str, body: bytes) -> Any:
            if path == "/api/validate-yaml":
                return self._validated(json.loads(body)["content"])
            if path == "/api/repos/create":
                return self._create(json.loads(body))
            if asked := BATCH.fullmatch(path):
                return self._batch(json.loads(body))
            asked = API.fullmatch(path)
            if asked is None or asked["repo"] not in hub.head:
                return self._send(404, {"X-Error-Code": "RepoNotFound"})
            if asked["what"] == "preupload":
                return self._preupload(asked["repo"], json.loads(body))
            return self._commit(asked["repo"], [json.loads(line) for line in body.splitlines()])

        def _validated(self, card: str) -> None:
            head = yaml.safe_load(card.split("---\n")[1])
            if re.fullmatch(r"[a-z0-9.-]+", head["license"]):
                return self._json({"errors": [], "warnings": []})
            wrong = {"message": f'"license" must be one of a list, not {head["license"]}'}
            return self._json({"errors": [wrong], "warnings": []}, 400)

        def _create(self, wanted: dict[str, Any]) -> None:
            repo = f"{wanted['organization']}/{wanted['name']}"
            status = 409 if repo in hub.head else 200
            if status == 200:
                hub.head[repo], hub.private[repo] = "", wanted.get("visibility") == "private"
            self._json({"url": f"{hub.url}/{repo}"}, status)

        def _preupload(self, repo: str, wanted: dict[str, Any]) -> None:
            there = hub.contents(repo, hub.head[repo])
            files = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if is_large(one["path"], one["size"]) else "regular",
                    "shouldIgnore": False,
                    "oid": oid(one["path"], there[one["path"]]) if one["path"] in there else None,
                }
                for one in wanted["files"]
            ]
            self._json({"files": files})

        def _batch(self, wanted: dict[str, Any]) -> None:
            objects = [
                {"oid": one["oid"], "size": one["size"]}
                | (
                    {}
                    if one["oid"] in hub.large
                    else {"actions": {"upload": {"href": f"{hub.url}/lfs/{one['oid']}"}}}
                )
                for one in wanted["objects"]
            ]
            self._json({"transfer": "basic", "objects": objects})

        def _object(self, sha256: str, body: bytes) -> Any:
            if hashlib.sha256(body).hexdigest() != sha256:
                return self._send(400, {})
            hub.large[sha256] = body
            return self._send(200, {})

        def _commit(self, repo: str, lines: list[dict[str, Any]]) -> Any:
            files = hub.contents(repo, hub.head[repo])
            for line in lines:
                value = line["value"]
                if line["key"] == "header":
                    hub.messages.append(value["summary"])
                elif line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile" and value["oid"] in hub.large:
                    files[value["path"]] = hub.large[value["oid"]]
                else:
                    return self._send(400, {})
            names = [f"{name} {oid(name, content)}" for name, content in sorted(files.items())]
            commit = hashlib.sha1("\n".join([hub.head[repo], *names]).encode()).hexdigest()
            for name, content in files.items():
                hub.add(repo, name, content, commit)
            hub.head[repo] = commit
            url = f"{hub.url}/{repo}/commit/{commit}"
            return self._json({"commitUrl": url, "commitOid": commit, "pullRequestUrl": None})

        def _repository(self, repo: str, revision: str | None) -> Any:
            known = {v for r, v, _ in hub.files if r == repo}
            head = hub.head.get(repo) or next(iter(known), "")
            commit = head if revision in (None, "main") else revision
            hidden = hub.private.get(repo) and self.headers["Authorization"] != f"Bearer {TOKEN}"
            if hidden or (repo not in hub.head and not known):
                return self._send(404, {"X-Error-Code": "RepoNotFound"})
            if commit not in known and commit:
                return self._send(404, {"X-Error-Code": "RevisionNotFound"})
            files = [{"rfilename": name} for name in sorted(hub.contents(repo, commit))]
            return self._json({"_id": "0", "id": repo, "sha": commit, "siblings": files})

        def _body(self) -> bytes:
            if self.headers["Transfer-Encoding"] != "chunked":
                return bytes(self.rfile.read(int(self.headers["Content-Length"] or 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _json(self, value: Any, status: int = 200) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
