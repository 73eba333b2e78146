"""A study to type commands about."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The workflow's small study, its results in a folder that is not there yet."""
    text = Path("tests/workflow/study.yaml").read_text()
    config = tmp_path / "study.yaml"
    config.write_text(text.replace("results: results", f"results: {tmp_path}/results"))
    return config
