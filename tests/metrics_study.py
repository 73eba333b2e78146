"""A made-up study on disk with several metrics, in files as runs and evaluations write them."""

from __future__ import annotations

from pathlib import Path

from noiseband.io.files import read_json, write_json
from noiseband.study.metrics import NamedMetric
from noiseband.study.table_params import ReportParams
from tests.fake_runs import FakeRun
from tests.small_study import write_study

LOSSES = {"baseline": [5.0, 5.02, 5.01], "up": [5.1, 5.13, 5.1], "same": [5.0, 5.02, 5.01]}
ACCURACY = {"baseline": [0.30, 0.32, 0.31], "up": [0.41, 0.42, 0.40], "same": [0.30, 0.32, 0.31]}
SPEED = {"baseline": [100.0, 101.0, 99.0], "up": [100.0, 99.0, 101.5], "same": [150.0, 151, 152]}
TEST_LOSS = NamedMetric.test_loss(None)
CLOZE = NamedMetric(name="cloze.accuracy", better="higher")
RATE = NamedMetric(name="tokens_per_second", better="higher", unit="tokens/s", volatile=True)


def study(results: Path, *metrics: NamedMetric) -> ReportParams:
    """Three arms on three seeds; the runs of `same` have the weights of the baseline's."""
    runs = [
        FakeRun(f"{arm}-{seed}", loss, arm, [] if arm == "baseline" else [arm], (seed, seed))
        for arm, losses in LOSSES.items()
        for seed, loss in enumerate(losses, 1)
    ]
    params = write_study(results, runs, steps=2, models=[], noise={})
    for run in runs:
        folder, number = results / "runs" / run.name, run.seeds[0] - 1
        value = ACCURACY[run.intervention][number]
        metrics_of = {"accuracy": {"value": value, "standard_error": 0.02, "n": 500}}
        write_json(folder / "evaluations/cloze.json", {"metrics": metrics_of})
        timing = read_json(folder / "timing.json")
        timing["tokens_per_second"] = SPEED[run.intervention][number]
        write_json(folder / "timing.json", timing)
        if run.intervention == "same":
            same = read_json(results / f"runs/baseline-{run.seeds[0]}/model.json")
            write_json(folder / "model.json", same)
    return params.model_copy(update={"metrics": list(metrics), "evaluations": ["cloze"]})
