"""CUDA is asked through a small fake driver; the tests need a C compiler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from noiseband.gpus import visible

DRIVER = """
#include <stdlib.h>
#include <string.h>
static int ready = 0, count = 3, order[3] = {0, 1, 2};
int cuInit(unsigned flags) {
    const char *names = getenv("CUDA_VISIBLE_DEVICES");
    if (flags) return 1;
    if (names) {
        count = 0;
        for (const char *at = names; *at >= '0' && *at <= '2'; at += 1 + (at[1] == ','))
            order[count++] = *at - '0';
    }
    ready = 1;
    return count ? 0 : 100; /* CUDA_ERROR_NO_DEVICE */
}
int cuDeviceGetCount(int *out) { *out = count; return ready ? 0 : 3; }
int cuDeviceGet(int *device, int index) { *device = order[index] + 40; return ready ? 0 : 3; }
int cuDeviceGetUuid(unsigned char *out, int device) { memset(out, device, 16); return 0; }
int cuDeviceGetUuid_v2(unsigned char *out, int device) {
    memset(out, device == 42 ? 0xee : device, 16); return 0;
}
"""
NAMES = [
    "GPU-28282828-2828-2828-2828-282828282828",
    "GPU-29292929-2929-2929-2929-292929292929",
    "MIG-eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee",  # part of a GPU with another UUID
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fake libcuda with three devices that are selected by number."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("driver")
    source = folder / "driver.c"
    source.write_text(DRIVER)
    library = str(folder / "libcuda.so.1")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, str(source)], check=True)
    return folder


def seen(driver: Path, **environment: str) -> list[str]:
    code = "import json; from noiseband.gpus import visible; print(json.dumps(visible()))"
    outer = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**outer, "LD_LIBRARY_PATH": str(driver), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_all_devices_by_their_uuid(driver: Path) -> None:
    assert seen(driver) == NAMES


def test_an_outer_choice_in_its_order(driver: Path) -> None:
    assert seen(driver, CUDA_VISIBLE_DEVICES="2,0") == [NAMES[2], NAMES[0]]


def test_none_where_an_outer_choice_hides_them(driver: Path) -> None:
    assert seen(driver, CUDA_VISIBLE_DEVICES="") == []


def test_none_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noiseband.gpus.devices.LIBRARY", "libcuda-that-is-not-there.so.1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible() == []


def test_several_mig_instances_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        "MIG-GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f/7/0,MIG-e91edf3b-b297-37c1-a2a7-7601e3238fa2"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{names},0")
    assert visible() == names.split(",")


def test_names_of_ones_own_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("NOISEBAND_GPUS", "a, b,")
    assert visible() == ["a", "b"]
