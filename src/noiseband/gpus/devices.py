"""The names of the GPUs that this process may use.

CUDA itself is asked, in a process of its own, because it reads `CUDA_VISIBLE_DEVICES` once and for
all when it is first used. So every spelling of that variable means here what it means to CUDA
(numbers in whatever order, UUIDs, their beginnings), and two spellings of one device have one name.
This file is also that process's program: it imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import uuid
from itertools import takewhile

OURS = "NOISEBAND_GPUS"
"""Names to hand out instead of what CUDA shows, joined by commas; empty: hand out nothing."""
CUDAS = "CUDA_VISIBLE_DEVICES"
LIBRARY = "libcuda.so.1"


def visible() -> list[str]:
    """Names of the devices, in CUDA's order, as `CUDA_VISIBLE_DEVICES` takes them.

    Empty where there are none: no driver, no GPU, or `CUDA_VISIBLE_DEVICES` hides them all.
    """
    if OURS in os.environ:
        return _names(OURS)
    # Of several MIG instances CUDA shows a process but the first.
    instances = list(takewhile(lambda name: name.startswith("MIG-"), _names(CUDAS)))
    if instances:
        return instances
    try:
        ctypes.CDLL(LIBRARY)  # loaded, not yet used: that there is none costs no process
    except OSError:
        return []
    asked = subprocess.run([sys.executable, "-I", __file__], capture_output=True, text=True)
    return list(json.loads(asked.stdout)) if asked.returncode == 0 else []


def show(devices: list[str]) -> None:
    """Have CUDA show this process, and those that it starts, these devices alone."""
    os.environ[CUDAS] = ",".join(devices)
    if OURS in os.environ:
        os.environ[OURS] = os.environ[CUDAS]


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _ask_cuda() -> list[str]:
    """UUIDs of what the driver shows (CUDA Driver API, "Device Management").

    Raises RuntimeError where the driver does not answer; without a device it says so by an error.
    """
    cuda = ctypes.CDLL(LIBRARY)

    def call(name: str, *arguments: object) -> None:
        status = getattr(cuda, name)(*arguments)
        if status:
            raise RuntimeError(f"{name}: error {status}")

    def identity(name: str, device: ctypes.c_int) -> str:
        data = (ctypes.c_ubyte * 16)()
        call(name, ctypes.byref(data), device)
        return str(uuid.UUID(bytes=bytes(data)))

    call("cuInit", 0)
    count = ctypes.c_int()
    call("cuDeviceGetCount", ctypes.byref(count))
    names = []
    for index in range(count.value):
        device = ctypes.c_int()
        call("cuDeviceGet", ctypes.byref(device), index)
        # The second version tells a MIG instance, the first one the GPU that it is a part of.
        whole, own = identity("cuDeviceGetUuid", device), identity("cuDeviceGetUuid_v2", device)
        names.append(f"GPU-{whole}" if own == whole else f"MIG-{own}")
    return names


if __name__ == "__main__":
    print(json.dumps(_ask_cuda()))
