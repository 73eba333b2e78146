"""Find the names of the GPUs that this process may use.

CUDA itself is asked, in a separate process, because it reads `CUDA_VISIBLE_DEVICES` only once, when
it is first used. That variable therefore has the same meaning here as for CUDA (numbers in any
order, UUIDs, their prefixes), and two spellings of one device give one name. This file is also the
program of that process, so it imports only the standard library.
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
"""Variable with names to use instead of CUDA's, joined by commas; if empty, none is reserved."""
CUDAS = "CUDA_VISIBLE_DEVICES"
LIBRARY = "libcuda.so.1"


def visible() -> list[str]:
    """The names of the devices in CUDA's order, as `CUDA_VISIBLE_DEVICES` accepts them.

    Empty if there is no driver or no GPU, or if `CUDA_VISIBLE_DEVICES` hides them all.
    """
    if OURS in os.environ:
        return _names(OURS)
    # CUDA shows a process only the first of several MIG instances, so it is not asked.
    instances = list(takewhile(lambda name: name.startswith("MIG-"), _names(CUDAS)))
    if instances:
        return instances
    try:
        ctypes.CDLL(LIBRARY)  # if there is no driver, this saves starting a process
    except OSError:
        return []
    asked = subprocess.run([sys.executable, "-I", __file__], capture_output=True, text=True)
    return list(json.loads(asked.stdout)) if asked.returncode == 0 else []


def show(devices: list[str]) -> None:
    """Have CUDA show only these devices to this process and its children."""
    os.environ[CUDAS] = ",".join(devices)
    if OURS in os.environ:
        os.environ[OURS] = os.environ[CUDAS]


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _ask_cuda() -> list[str]:
    """The UUIDs of the devices that the driver shows (CUDA Driver API, "Device Management").

    Raises RuntimeError if the driver returns an error, as it does without a device.
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
        # The second version names a MIG instance; the first one names the GPU it is a part of.
        whole, own = identity("cuDeviceGetUuid", device), identity("cuDeviceGetUuid_v2", device)
        names.append(f"GPU-{whole}" if own == whole else f"MIG-{own}")
    return names


if __name__ == "__main__":
    print(json.dumps(_ask_cuda()))
