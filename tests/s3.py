"""A local S3 server, spoken to by the real clients."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET = "not-to-be-seen-anywhere"
BUCKET = "lab"


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """Environment of clients of a server with an empty bucket; its log goes into `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "--port", str(port)]
    with open(folder / "s3.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        while not _answers(url):
            assert process.poll() is None, (folder / "s3.log").read_text()
            time.sleep(0.1)
        bucket = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
        urllib.request.urlopen(bucket, timeout=60).close()
        yield {
            "AWS_ENDPOINT_URL": url,
            "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=10).close()
    except (urllib.error.URLError, OSError):
        return False
    return True
