"""Serve a GGUF model on this machine, as an endpoint like that of any other judge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noiseband.errors import UserError
from noiseband.judge.endpoint import Endpoint
from noiseband.study.judges import LocalJudge

HOST = "127.0.0.1"


@contextmanager
def serve(config: LocalJudge) -> Iterator[Endpoint]:
    """Run llama.cpp's server with the model on the loopback interface, until the block ends.

    It uses one CPU thread, one request at a time, and no cache of earlier prompts. With greedy or
    seeded sampling, a reply is then a function of the request.

    Raises UserError if the file is missing, has another SHA-256 or is not a model, or `xllamacpp`
    is not installed.
    """
    path = Path(config.file)
    _check(path, config.sha256)
    try:
        import xllamacpp
    except ImportError:
        raise UserError(
            "judge.kind: local needs the package xllamacpp; "
            "run `pip install 'noiseband[local-judge]'`"
        ) from None
    given = xllamacpp.CommonParams()
    given.model.path = str(path)
    given.model_alias = {f"sha256:{config.sha256}"}
    given.hostnames = [HOST]
    given.port = 0  # any free port
    given.n_ctx = config.context
    given.n_parallel = 1
    given.n_gpu_layers = 0
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = 1
    given.cache_prompt = False
    given.cache_ram_mib = 0
    given.use_jinja = True
    given.warmup = given.ui = False
    given.verbosity = -1
    try:
        server = xllamacpp.Server(given)
    except RuntimeError as error:
        raise UserError(f"judge.file: {path}: llama.cpp cannot load it ({error})") from None
    try:
        endpoint = Endpoint(f"{server.listening_address}/v1", config.timeout, loopback=True)
        # A server that is stopped before its loop has started hangs, so wait for a first token.
        hello = [{"role": "user", "content": "Hello"}]
        endpoint.complete({"model": "", "messages": hello, "max_tokens": 1, "cache_prompt": False})
        yield endpoint
    finally:
        del server  # stops it


def _check(path: Path, expected: str) -> None:
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"judge.file: {path}: cannot be read ({error.strerror}); give the path of a GGUF file"
        ) from None
    if found != expected:
        raise UserError(
            f"judge.sha256: {path} has {found}, not {expected}; get the right file, or set the "
            "SHA-256 of this one"
        )
