"""By default, as many GPU jobs run at once as there are GPUs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.workflow.project import Project

TARGET = "results/instructions/factbook/rows.jsonl"


@pytest.mark.parametrize(
    ("devices", "given", "expected"),
    [("a,b,c", [], 3), ("a,b,c", ["--resources", "gpu=2"], 2), ("", [], None)],
)
def test_the_limit_is_the_number_of_devices_unless_it_is_given(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    devices: str,
    given: list[str],
    expected: int | None,
) -> None:
    monkeypatch.setenv("NOISEBAND_GPUS", devices)
    done = Project(tmp_path).snakemake(*given, "--", TARGET)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    found = re.search(r"^Provided resources: .*\bgpu\W.*?(\d+)", output, re.MULTILINE)
    assert (None if found is None else int(found[1])) == expected
