"""Jobs learn from Snakemake which config files a repair command must name."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

from noiseband.dag.scheduling import look_when_jobs_end, name_configs
from noiseband.errors import CONFIGFILES, DamagedError


def test_a_job_names_its_config_in_the_command_that_makes_a_file_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CONFIGFILES, "")
    assert str(DamagedError(Path("a"), "cut")).endswith("rm a && noiseband run a")
    name_configs(["my study.yaml"])
    assert str(DamagedError(Path("a"), "cut")).endswith("noiseband run a --config 'my study.yaml'")


def test_the_scheduler_looks_by_the_clock_only_where_a_rate_is_asked_for() -> None:
    for most, seconds, left in ((100, 1, False), (100, 60, True), (5, 1, True)):
        rate = SimpleNamespace(max_jobs=most, timespan=seconds)
        workflow = SimpleNamespace(scheduler=SimpleNamespace(job_rate_limiter=rate))
        look_when_jobs_end(workflow)
        assert workflow.scheduler.job_rate_limiter == (rate if left else None)
    look_when_jobs_end(SimpleNamespace(scheduler=SimpleNamespace()))  # another Snakemake


def test_snakemake_has_the_limit_that_is_taken_away() -> None:
    """By its own default: another version may have another, and then it is left alone."""
    default = get_argument_parser().get_default("max_jobs_per_timespan")
    rate = MaxJobsPerTimespan.parse_choice(default)
    assert (rate.max_jobs, rate.timespan) == (100, 1)
    source = inspect.getsource(JobScheduler)
    assert "self.job_rate_limiter is not None" in source
