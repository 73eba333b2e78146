"""The estimates are compared with the costs of the published series."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.io.files import write_json
from noiseband.plan.estimate import RunPlan, combined, disk, extra_seed, plan, plan_each, total
from noiseband.plan.memory import GIB, OVERHEAD, memory, parameter_count
from noiseband.published import data
from noiseband.study import Study, parse_study
from noiseband.study.machines import Machines, load_machines, machine_of

REFERENCE: dict[str, Any] = {
    "study": "reference",
    "corpora": {
        "text": {
            "sources": [{"package": "p", "version": "1", "reader": "asv", "sha256": "0" * 64}],
            "tokenizer": {"kind": "gpt2"},
        }
    },
    "recipe": {
        "model": {"vocabulary": 50257, "context": 1024, "width": 768, "heads": 12, "layers": 12},
        "data": {"corpus": "text", "train_tokens": 3_260_190_720},
        "batch": {"sequences": 96, "microbatch": 12},
        "optimizer": {"learning_rate": 0.0004},
        "precision": "float16-amp",
    },
    "interventions": {
        "remove-dropout": {"model.dropout": 0.0},
        "qkv-bias": {"model.qkv_bias": True},
        "full-float32": {"precision": "float32"},
        "small-microbatch": {"batch.microbatch": 6},
    },
    "seeds": {"default": [42], "baseline": [42]},
    "baseline": "baseline-42",
}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return parse_study({**REFERENCE, "results": str(tmp_path)})


@pytest.fixture(scope="module")
def machines() -> Machines:
    return load_machines(Path("config/machines.yaml"))


def plans(study: Study, machines: Machines, name: str) -> dict[str, RunPlan]:
    return {one.run: one for one in plan(study, machines, machine_of(machines, name))}


def run_like(published: data.PublishedRun) -> str:
    """The name of the study's run that should have the rate of the published run."""
    if "full-float32" in published.interventions:
        return "full-float32-42"
    return "remove-dropout-42" if "remove-dropout" in published.interventions else "baseline-42"


TIMED = [one for one in data.runs() if one.train_seconds is not None]


@pytest.mark.parametrize("published", TIMED, ids=lambda one: one.run)
def test_the_series_took_the_hours_that_are_planned(
    study: Study, machines: Machines, published: data.PublishedRun
) -> None:
    name = published.machine.removesuffix(" (another)")
    found = plans(study, machines, name)[run_like(published)]
    assert found.tokens == 3_260_252_160
    assert found.steps == 33_165
    assert published.train_seconds is not None
    assert found.seconds == pytest.approx(published.train_seconds, rel=0.10)


def test_costs_are_those_of_april(study: Study, machines: Machines) -> None:
    machine = machine_of(machines, "8xA100-40GB")
    found = plans(study, machines, "8xA100-40GB")
    baseline = total([found["baseline-42"]], machine)
    # The series says "about 42 a run", with set-up; that is eight cards of 400 W for 3.41 hours.
    assert baseline.usd == pytest.approx(11.84 * 12276.306 / 3600, rel=0.01)
    assert baseline.kwh == pytest.approx(3.2 * 12276.306 / 3600, rel=0.01)
    large = machine_of(machines, "8xA100-80GB")
    float32 = total([plans(study, machines, "8xA100-80GB")["full-float32-42"]], large)
    assert float32.usd == pytest.approx(135, rel=0.02)


def test_full_float32_needs_the_larger_card_as_it_did(study: Study, machines: Machines) -> None:
    small = plans(study, machines, "8xA100-40GB")
    assert not small["full-float32-42"].fits
    assert "32h" in str(small["full-float32-42"].memory_measured)
    assert small["baseline-42"].fits
    assert all(one.fits for one in plans(study, machines, "8xA100-80GB").values())
    # The series used microbatch 6 on 24 GB, because 12 did not fit.
    local = plans(study, machines, "1xRTX3090")
    assert local["small-microbatch-42"].fits
    assert not local["baseline-42"].fits


def test_the_estimate_meets_the_measurement_it_is_scaled_by(study: Study) -> None:
    recipe = study.runs["full-float32-42"].built_in
    # The series trained with DistributedDataParallel, whose buckets are as large as a gradient.
    measured = memory(recipe.model_copy(update={"reduction": "allreduce"}), processes=8)
    assert measured.total / GIB == pytest.approx(43.8, rel=0.01)
    assert measured.partial_sums == measured.weights
    needed = memory(recipe, processes=8)
    assert needed.weights == 4 * 163_009_536
    assert needed.optimizer == 2 * needed.weights
    matrices = 4 * 12 * 12 * 768**2  # the bytes of the weights inside the blocks
    for kind, bytes_needed in {
        "sgd": needed.weights,
        "muon": 2 * needed.weights - matrices,  # one momentum instead of two moments
    }.items():
        changed = recipe.optimizer.model_copy(update={"kind": kind})
        found = memory(recipe.model_copy(update={"optimizer": changed}), processes=8)
        assert found.optimizer == bytes_needed
    # 8 slots on 8 processes: no tree. In one process: four pairs, so two partial sums.
    assert needed.partial_sums == 0
    assert memory(recipe, processes=1).partial_sums == 2 * needed.weights
    half = memory(study.runs["small-microbatch-42"].built_in, 8)
    assert 2 * half.activations == memory(study.runs["baseline-42"].built_in, 8).activations
    assert OVERHEAD > 1


def test_parameters_are_those_published(study: Study) -> None:
    assert parameter_count(study.runs["baseline-42"].built_in.model) == 163_009_536
    assert parameter_count(study.runs["qkv-bias-42"].built_in.model) == 163_037_184


def test_traffic_of_a_step(study: Study, machines: Machines) -> None:
    """Reduce-scatter and all-gather: each process sends 7/8 of the gradient twice."""
    found = plans(study, machines, "8xA100-40GB")["baseline-42"]
    assert found.processes == 8
    assert found.traffic == 2 * 4 * 163_009_536 * 7 // 8
    assert plans(study, machines, "1xRTX3090")["baseline-42"].traffic == 0


def test_finished_runs_are_known_by_their_recipe(study: Study, machines: Machines) -> None:
    folder = study.results / "runs" / "baseline-42"
    write_json(folder / "recipe.json", {"digest": study.runs["baseline-42"].built_in.digest})
    assert not plans(study, machines, "laptop")["baseline-42"].done
    (folder / "model.safetensors").touch()
    assert plans(study, machines, "laptop")["baseline-42"].done
    write_json(folder / "recipe.json", {"digest": "of another recipe"})
    assert not plans(study, machines, "laptop")["baseline-42"].done


def test_totals_and_another_seed(study_data: dict[str, Any], machines: Machines) -> None:
    small = parse_study(study_data)
    machine = machine_of(machines, "laptop")
    found = plan(small, machines, machine)
    whole = total(found, machine)
    assert whole.runs == len(small.runs)
    assert whole.seconds == pytest.approx(sum(one.seconds or math.nan for one in found) / 2)
    assert (whole.usd, whole.kwh) == (None, None)
    names = {one.run.rsplit("-", 1)[0] for one in extra_seed(small, found)}
    assert names == {"baseline", "clip", "no-dropout", "both"}
    assert total([replace(found[0], seconds=None), found[1]], machine).seconds is None
    size = 4 * parameter_count(small.config.built_in.model)
    # 32 steps of 128 tokens need two checkpoints, and each is three times the size of the weights.
    assert disk(small, found) == len(small.starts) * size + len(found) * size * (1 + 3 * 2)
    # Two snapshots, each in the work folder and in the results.
    kept = parse_study({**small.config.model_dump(), "snapshots": {"every": 2, "last": 3}})
    assert disk(kept, plan(kept, machines, machine)) == disk(small, found) + len(found) * size * 4
    # A moving average is in both checkpoints and in the results; a mean is only there.
    averages = {"ema": {"decay": 0.99}, "last": {"snapshots": 2}}
    averaged = parse_study({**kept.config.model_dump(), "averages": averages})
    more = plan(averaged, machines, machine)
    assert disk(averaged, more) == disk(small, found) + len(found) * size * (4 + 2 + 2)
    assert more[0].memory.moving_averages == size
    assert more[0].needed > found[0].needed
    assert "moving averages" in more[0].memory.parts
    assert "moving averages" not in found[0].memory.parts


def test_several_machines_add_up(study_data: dict[str, Any], machines: Machines) -> None:
    study_data["machine"] = "8xA100-40GB"
    study_data["recipe"]["precision"] = "float16-amp"
    study_data["placement"] = {
        "clip-42": {"machine": "1xRTX3090"}, "clip-22": {"machine": "8xA100-80GB"},
    }  # fmt: skip
    small = parse_study(study_data)
    groups = plan_each(small, machines)
    assert groups.keys() == {"8xA100-40GB", "8xA100-80GB", "1xRTX3090"}
    assert [one.run for one in groups["1xRTX3090"]] == ["clip-42"]
    totals = [total(some, machine_of(machines, name)) for name, some in groups.items()]
    whole = combined(totals)
    assert whole.runs == len(small.runs)
    assert whole.seconds == pytest.approx(sum(one.seconds or math.nan for one in totals))
    assert whole.usd == pytest.approx(sum(one.usd or 0.0 for one in totals))
    assert whole.kwh == pytest.approx(sum(one.kwh or math.nan for one in totals))
    unknown = combined([*totals, replace(totals[0], seconds=None, usd=None, kwh=None)])
    assert (unknown.seconds, unknown.usd, unknown.kwh) == (None, None, None)
    study_data["placement"] = {"clip-42": {"machine": "1xRTX3091"}}
    with pytest.raises(UserError, match=r"placement\.clip-42\.machine: .*did you mean 1xRTX3090"):
        plan_each(parse_study(study_data), machines)


def test_pretrained_models_take_disk_and_no_hours(
    study_data: dict[str, Any], machines: Machines
) -> None:
    machine, alone = machine_of(machines, "laptop"), parse_study(study_data)
    model = study_data["recipe"]["model"] | {"width": 32}
    beside = parse_study({**study_data, "pretrained": {"mine": {"path": "mine", "model": model}}})
    found = plan(beside, machines, machine)
    assert found == plan(alone, machines, machine)
    more = 4 * parameter_count(beside.pretrained["mine"].model)
    assert disk(beside, found) == disk(alone, found) + more


def test_a_precision_without_a_rate_has_no_hours(
    study_data: dict[str, Any], machines: Machines
) -> None:
    study_data["recipe"]["precision"] = "float16-amp"
    found = plan(parse_study(study_data), machines, machine_of(machines, "laptop"))
    assert {one.seconds for one in found} == {None}
