"""An OpenAI-compatible endpoint on the loopback interface that can misbehave in every way.

It reads the prompt as a careful judge would: it takes the answers out of their fences, and scores
each with the first number in it.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.servers import serving

Fault = Callable[["Handler", dict[str, Any]], None]
"""A function that gives a wrong answer to a request, given its body."""


@dataclass
class Endpoint:
    """The requests that the server received, and its planned behaviour."""

    base_url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """The monotonic times of the requests, in seconds."""
    faults: list[Fault] = field(default_factory=list)
    """The faults for the next requests, in order; after them the server behaves well."""
    always: Fault | None = None
    """The fault for all requests after `faults` are used up."""
    pause: float = 0.0
    """The seconds that every reply takes."""
    most_at_once: int = 0
    busy: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    endpoint: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        endpoint = self.endpoint
        with endpoint.lock:
            endpoint.bodies.append(body)
            endpoint.keys.append(self.headers["authorization"])
            endpoint.times.append(time.monotonic())
            endpoint.busy += 1
            endpoint.most_at_once = max(endpoint.most_at_once, endpoint.busy)
            fault = endpoint.faults.pop(0) if endpoint.faults else endpoint.always
        time.sleep(endpoint.pause)
        with endpoint.lock:
            endpoint.busy -= 1  # before the reply, after which the client may ask again
        (fault or good)(self, body)

    def send(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        data = text.encode()
        self.send_response(status)
        given = {"content-type": "application/json", "content-length": str(len(data))}
        for name, value in {**given, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def running() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    handler = type("Bound", (Handler,), {"endpoint": endpoint})
    with serving(handler) as address:
        endpoint.base_url = f"{address}/v1"
        yield endpoint


def answers_in(body: dict[str, Any]) -> list[str]:
    """The answers in a request, found by the fence that its rules declare."""
    rules, data = (message["content"] for message in body["messages"])
    match = re.search(r"a line `(\S+) begin`", rules)
    assert match is not None
    fence = re.escape(match[1])
    return re.findall(rf"Answer of Model \d+:\n{fence} begin\n(.*?)\n{fence} end", data, re.DOTALL)


def verdict(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for number, answer in enumerate(answers_in(body), 1):
        said = re.search(r"\d+", answer)
        score = min(100, int(said[0])) if said else 0
        found[f"model_{number}"] = {"reason": f"it says {score}", "score": score}
    return found


def completion(content: str | None, **more: Any) -> str:
    message = {"role": "assistant", "content": content}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": time.time_ns(),  # volatile, as with real endpoints
            "model": "judge-2026-11-01",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
            **more,
        }
    )


def good(handler: Handler, body: dict[str, Any]) -> None:
    handler.send(200, completion(json.dumps(verdict(body))))


def status(code: int, text: str = "{}", **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, body: handler.send(code, text, named)


def says(change: Callable[[dict[str, dict[str, Any]]], str]) -> Fault:
    """A valid completion with a text that is made from the true verdict."""
    return lambda handler, body: handler.send(200, completion(change(verdict(body))))


def text(content: str | None, **more: Any) -> Fault:
    return lambda handler, body: handler.send(200, completion(content, **more))


def raw(content: str) -> Fault:
    """A reply of status 200 that is not a completion."""
    return lambda handler, body: handler.send(200, content)


def late(seconds: float) -> Fault:
    def fault(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(seconds)
        good(handler, body)

    return fault


def reset(handler: Handler, body: dict[str, Any]) -> None:
    """Break the connection in the middle of a reply."""
    data = completion(json.dumps(verdict(body))).encode()
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.wfile.flush()
    handler.close_connection = True


def echo_key(code: int) -> Fault:
    """An error that quotes the key from the request."""

    def fault(handler: Handler, body: dict[str, Any]) -> None:
        message = f"Incorrect API key provided: {handler.headers['authorization']}"
        handler.send(code, json.dumps({"error": {"message": message, "code": "invalid_api_key"}}))

    return fault
