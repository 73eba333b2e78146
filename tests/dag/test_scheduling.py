"""Jobs learn from Snakemake which config files a repair command must name."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.dag.scheduling import name_configs
from noiseband.errors import CONFIGFILES, DamagedError


def test_a_job_names_its_config_in_the_command_that_makes_a_file_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CONFIGFILES, "")
    assert str(DamagedError(Path("a"), "cut")).endswith("rm a && snakemake a")
    name_configs(["my study.yaml"])
    assert str(DamagedError(Path("a"), "cut")).endswith("snakemake a --configfile 'my study.yaml'")
