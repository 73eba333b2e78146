"""The comparison of a run with its second training."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.io.digests import file_digest
from noiseband.io.files import read_json
from noiseband.repro.rerun import verify_rerun
from noiseband.train.loop import train
from tests.repro.test_diverge import other_seed_from, study_results
from tests.train.conftest import MakeJob


def test_identical_or_where_not(
    make_job: MakeJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, out = tmp_path / "results", tmp_path / "found.json"
    jobs = [make_job(name) for name in ("original", "same", "other")]
    original, same, other = jobs
    train(original)
    train(same)
    with other_seed_from(4, other):
        train(other)
    for job in jobs:
        job.work.rename(job.out / "work")
    study_results(original, results)
    assert verify_rerun(original.out, same.out, results, out)
    digest = file_digest(original.out / "model.safetensors")
    assert read_json(out) == {
        "run": "baseline-42",
        "original": "baseline-42",
        "identical": True,
        "sha256": {"original": digest, "rerun": digest},
        "steps": 8,
        "divergence": None,
    }
    assert not verify_rerun(original.out, other.out, results, out)
    found = read_json(out)
    assert (found["identical"], found["divergence"]["step"]) == (False, 4)
    # The wrong seed was a fault of that one training, so retraining does not reproduce it.
    assert found["divergence"]["reproduced"] == [True, False]
    assert "different from step 4 on, first in loss" in capsys.readouterr().err
