"""A study for the tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The config of the workflow's small study, with a results folder that does not exist yet."""
    text = Path("tests/workflow/study.yaml").read_text()
    config = tmp_path / "study.yaml"
    config.write_text(text.replace("results: results", f"results: {tmp_path}/results"))
    return config
