"""Two hundred jobs on eight simulated devices: `python -m tests.gpus.jobs FOLDER SEED`.

Each job is a process. While it uses a device, it also holds a POSIX lock on a witness file; POSIX
locks are independent of flock, and they end with the process too. If two jobs have the same device,
the second one cannot take this lock and reports it. Some jobs kill themselves with SIGKILL at a
random moment, while they wait or while they hold a device.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from noiseband.gpus import queue, reserve

JOBS = 200
DEVICES = [f"gpu{k}" for k in range(8)]
OUTER = [DEVICES, DEVICES, DEVICES, DEVICES[:4], DEVICES[2:], DEVICES[7:]]
OVERLAP = 9
POLL = 0.03


def job(number: int, folder: Path, seed: int) -> int:
    """Run one job and return its exit status."""
    draw = random.Random(f"{seed} {number}")
    outer = draw.choice(OUTER)
    count = min(draw.choice([1, 1, 1, 1, 2, 3, 4, 8]), len(outer))
    # The witnesses are opened first, because an ending process closes its files in order, and a
    # witness must not outlive the lock that it watches.
    witnesses = {
        name: os.open(folder / f"witness-{name}", os.O_CREAT | os.O_RDWR) for name in outer
    }
    os.environ["NOISEBAND_GPUS"] = ",".join(outer)
    os.dup2(os.open(folder / "stderr", os.O_CREAT | os.O_WRONLY | os.O_APPEND), 2)
    time.sleep(draw.uniform(0, 0.5))
    if number % 5 == 0:
        kill = threading.Timer(draw.uniform(0, 2), os.kill, (os.getpid(), signal.SIGKILL))
        kill.daemon = True
        kill.start()
    devices = reserve(count, f"job {number}")
    assert len(set(devices)) == count and set(devices) <= set(outer)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(devices)
    for name in devices:
        try:
            fcntl.lockf(witnesses[name], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return OVERLAP
    time.sleep(draw.uniform(0.005, 0.04))
    return 0


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    queue.POLL = POLL
    os.environ["NOISEBAND_GPU_LOCKS"] = str(folder / "locks")
    children = []
    for number in range(JOBS):
        child = os.fork()
        if child == 0:
            try:
                os._exit(job(number, folder, seed))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(json.dumps(ends))


if __name__ == "__main__":
    main()
