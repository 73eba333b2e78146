"""Tests about bits once more, on a processor that can do less than this one.

Libraries choose their kernels by what a processor can do, and one kind of it may keep a promise
that another breaks. Lowered in processes of their own, one machine stands for several kinds.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

LEVELS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        # Intel's processors alone obey; on others MKL takes its AVX2 kernels at most, unasked.
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "default": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        # What goes below AVX2 on every processor.
        "MKL_CBWR": "COMPATIBLE",
    },
}
"""Switches of PyTorch's own kernels, of oneDNN and of MKL, lowest last."""

ORDER = ["default", "avx2", "avx512"]
"""PyTorch's capabilities on x86, lowest first."""

ELSEWHERE = {
    "tests/model/test_init.py::test_keyed_weights_depend_on_neither_instruction_set_nor_threads": (
        "lowers the capabilities by itself"
    ),
    "tests/repro/test_golden.py::test_a_plain_pytorch_model_has_them_and_so_do_our_weights": (
        "promised for AVX2 or later"
    ),
    "tests/train/test_precision.py::test_compiled_training_repeats_to_the_bit": "a compiler's code",
    "tests/train/test_record.py::test_a_terminal_shows_a_line_a_step_and_changes_no_bit": (
        "as without a terminal, and slow"
    ),
    "tests/train/test_loop.py::test_kills_at_any_moment_leave_the_bits_alone": "starts processes",
    "tests/train/test_elastic.py::": "starts many processes; the sum itself is test_tree's",
    "tests/train/test_deaths.py::": "starts many processes",
    "tests/finetune/test_loop.py::test_killed_it_leaves_nothing": "starts processes",
    "tests/workflow/": "runs whole studies",
    "tests/corpus/": "no arithmetic of floats",
    "tests/io/test_digests.py::": "no arithmetic of floats",
    "tests/stats/": "NumPy's arithmetic, none of PyTorch's",
}
"""Tests of docs/determinism.md's promises, by their beginnings, that are not run again here."""

PROBE = """
import torch
print("PyTorch", torch.backends.cpu.get_cpu_capability(), flush=True)
with torch.no_grad():
    torch.mm(torch.ones(50, 50), torch.ones(50, 50))
    torch.nn.functional.conv2d(torch.ones(8, 64, 56, 56), torch.ones(64, 64, 3, 3))
"""


def promised() -> list[str]:
    """Tests that hold promises about bits, as docs/determinism.md names them."""
    page = Path("docs/determinism.md").read_text(encoding="utf-8")
    tables = page[page.index("## Promised") : page.index("## Not promised")]
    return re.findall(r"`(tests/[^`]+::[^`]+)`", tables)


def excused(test: str) -> bool:
    return any(test.startswith(beginning) for beginning in ELSEWHERE)


def marked(test: str) -> bool:
    file, name = test.split("::")
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    return any(mark.name == "bits" for mark in getattr(getattr(module, name), "pytestmark", []))


def in_force(environment: dict[str, str]) -> dict[str, str]:
    """What each library says that it uses."""
    verbose = {**environment, "MKL_VERBOSE": "1", "ONEDNN_VERBOSE": "all"}
    command = [sys.executable, "-c", PROBE]
    said = subprocess.run(command, env=verbose, capture_output=True, text=True, check=True).stdout
    patterns = {
        "PyTorch": r"^PyTorch (\w+)$",
        "MKL": r"^MKL_VERBOSE oneMKL .* for Intel\(R\) 64 architecture (.*?), Lnx",
        "MKL's reproducibility": r"^MKL_VERBOSE SGEMM.* CNR:(\S+)",
        "oneDNN": r"^onednn_verbose.*,cpu,isa:(.*)$",
    }
    found = {name: re.search(pattern, said, re.MULTILINE) for name, pattern in patterns.items()}
    return {name: match[1] if match else "not there" for name, match in found.items()}


@pytest.mark.parametrize("level", LEVELS)
def test_promises_hold_with_lowered_capabilities(
    level: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    environment = {**os.environ, **LEVELS[level]}
    used = in_force(environment)
    described = ", ".join(f"{name}: {what}" for name, what in used.items())
    record_property("lowered to", f"{level} ({described})")
    # A processor that can do no more than this runs everything all the same.
    assert used["PyTorch"].lower() in ORDER[: ORDER.index(level) + 1], described
    for name in ("MKL", "oneDNN"):
        assert not re.search(r"AVX-?512|AMX|AVX10", used[name]), described
    if level == "default":
        assert used["MKL's reproducibility"] in ("COMPATIBLE", "not there"), described

    if used == in_force(dict(os.environ)):
        pytest.skip(f"this processor can do no more than {level}, so every test runs like this")

    tests = ["tests/train/test_tree.py::", *(test for test in promised() if not excused(test))]
    files = sorted({test.split("::")[0] for test in tests})
    command = [sys.executable, "-m", "pytest", "-m", "bits", "-p", "no:cacheprovider"]
    command += ["--basetemp", str(tmp_path / "tests"), *files]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{described}\n{done.stdout}{done.stderr}"
    ended = done.stdout.splitlines()[-1]
    assert " passed" in ended and "skipped" not in ended, ended


def test_every_promise_is_tried_or_says_why_not() -> None:
    tests = promised()
    assert len(tests) > 20
    assert [test for test in tests if not excused(test) and not marked(test)] == []
    idle = [one for one in ELSEWHERE if not any(test.startswith(one) for test in tests)]
    assert idle == []
