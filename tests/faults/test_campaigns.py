"""The figures of several campaigns are kept in one file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.faults.__main__ import main


def test_a_campaign_replaces_its_own_figures_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "faults.json"
    out.write_text('{"kills": {"kills": 30}, "disks": {"old": 1}}')
    found: dict[str, Any] = {"failures": []}
    fake = ModuleType("tests.faults.disks")
    fake.campaign = lambda scratch, seed: {"seed_was": seed, **found}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tests.faults.disks", fake)
    monkeypatch.setattr(sys, "argv", ["faults", "disks", "--seed", "7", "--out", str(out)])
    assert main() == 0
    sections = json.loads(out.read_text())
    assert sections["kills"] == {"kills": 30}
    assert "old" not in sections["disks"] and sections["disks"]["seed_was"] == 7
    assert [path.name for path in tmp_path.iterdir()] == ["faults.json"]
    found["failures"] = ["a silent wrong number"]
    assert main() == 1
    assert "disks: a silent wrong number" in capsys.readouterr().err
