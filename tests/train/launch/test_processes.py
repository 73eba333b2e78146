"""A process that waits for others says so, and one that cannot meet any ends at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

JOIN = """
from datetime import timedelta
from noiseband.errors import UserError
from noiseband.train.launch import processes

processes.PATIENCE = 0.1
processes.TIMEOUT = timedelta(seconds=3)
try:
    with processes.joined():
        pass
except UserError as error:
    print(error)
"""


def joining(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WORLD_SIZE": "4", "RANK": "0", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-c", JOIN],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_says_whom_it_waits_for_and_gives_up_with_a_remedy() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    done = joining(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    place = f"(MASTER_ADDR=127.0.0.1, MASTER_PORT={port}, RANK=0)"
    assert f"noiseband: waiting for the other 3 of 4 processes {place}\n" in done.stderr
    assert done.stdout.startswith("WORLD_SIZE=4: ")
    assert "for one process, first `unset WORLD_SIZE RANK`" in done.stdout


def test_without_an_address_it_ends_at_once() -> None:
    done = joining()
    assert "MASTER_ADDR" in done.stdout and "unset WORLD_SIZE RANK" in done.stdout
    assert "Traceback" not in done.stderr
