"""The published series as a study: every run is compared with its published description.

The facts are written here as they were published; none is computed from noiseband's output.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noiseband.model.gpt import parameter_shapes
from noiseband.plan.estimate import RunPlan, plan_each
from noiseband.plan.memory import parameter_count
from noiseband.published import data
from noiseband.published.golden import golden_digests
from noiseband.study import Study, load_study
from noiseband.study.machines import load_machines
from noiseband.study.params import PretrainedParams, StartsParams
from noiseband.study.table_params import TablesParams
from noiseband.train.schedule import rates

CONFIG = Path("config/replication.yaml")
SHARED = Path("../shared/reference")

Difference = dict[str, list[Any]]

CLIP: Difference = {"optimizer.clip_norm": [None, 3.5]}
NO_DROPOUT: Difference = {"model.dropout": [0.1, 0.0]}
BIAS: Difference = {"model.qkv_bias": [False, True]}
RATE: Difference = {"optimizer.learning_rate": [0.0004, 0.0014]}
SCHEDULE: Difference = {**RATE, "schedule.kind": ["constant", "warmup-cosine"]}
DECAY: Difference = {"optimizer.weight_decay": [0.1, 0.01]}
CHANGES: dict[str, Difference] = {
    "gradient-clipping": CLIP,
    "remove-dropout": NO_DROPOUT,
    "qkv-bias": BIAS,
    "schedule-learning-rate": SCHEDULE,
    "weight-decay-gpt2": DECAY,
    "weight-decay-cerebras": {"optimizer.weight_decay": [0.1, 0.33724]},
    "weight-tying": {"model.tied": [False, True]},
    "full-float32": {"precision": ["float16-amp", "float32"]},
}
"""The recipe keys that each published intervention changed."""
SMALL_MICROBATCH: Difference = {"batch.microbatch": [12, 6]}
BATCH_6: Difference = {"batch.sequences": [96, 6], **SMALL_MICROBATCH}
FIRST_GENERATION: dict[str, Difference] = {
    "cloud-fineweb-8xa100m40": {"batch.sequences": [96, 104], "batch.microbatch": [12, 13]},
    "cloud-fineweb-8xh100m80": {"batch.sequences": [96, 216], "batch.microbatch": [12, 27]},
    "cloud-fineweb-8xa100m80": {"batch.sequences": [96, 224], "batch.microbatch": [12, 28]},
    "cloud-fineweb-8xb200m160": {"batch.sequences": [96, 512], "batch.microbatch": [12, 32]},
    "local-fineweb-train": BATCH_6,
    "local-fineweb-edu-train": {**BATCH_6, "data.corpus": ["fineweb", "fineweb-edu"]},
    "local-fineweb-edu-extended-train": {
        **BATCH_6,
        "data.corpus": ["fineweb", "fineweb-edu"],
        "data.start_token": [0, 3_260_190_720],
        "continues": [None, "local-fineweb-edu-train"],
    },
}
"""Global batches, and corpora; as many tokens again for the last."""
TRAINED = [one for one in data.runs() if one.role in ("series", "later")]
OURS = "update-learning-rate-42"
"""The control, which has no published row."""


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(CONFIG)


@pytest.fixture(scope="module")
def plans(study: Study) -> dict[str, list[RunPlan]]:
    return plan_each(study, load_machines(Path("config/machines.yaml")))


def test_every_published_run_is_there_and_nothing_else(study: Study) -> None:
    assert study.models.keys() == {*(one.run for one in data.runs()), OURS}
    assert list(study.pretrained) == ["openai-gpt2-small", "openai-gpt2-medium"]
    assert (study.config.results, study.config.published) == ("results/replication", True)


@pytest.mark.parametrize("published", TRAINED, ids=lambda one: one.run)
def test_a_run_differs_from_the_baseline_as_published(
    study: Study, published: data.PublishedRun
) -> None:
    run = study.runs[published.run]
    expected = {k: v for name in published.interventions for k, v in CHANGES[name].items()}
    if published.machine.startswith("1xRTX3090"):
        expected |= SMALL_MICROBATCH
    assert run.difference == expected
    assert (run.seeds.init_seed, run.seeds.train_seed) == (
        published.init_seed,
        published.train_seed,
    )
    assert run.built_in.data_seed is None
    assert not run.approximate
    assert study.machine(run) == published.machine.removesuffix(" (another)")


def test_the_plain_rerun_and_the_other_machine_are_repeats(study: Study) -> None:
    repeats = {run.name: run.repeat_of for run in study.repeats}
    assert repeats == {
        "8xa100m40-baseline-2": "8xa100m40-baseline",
        "1xrtx3090-stacked-interventions-poppy": "1xrtx3090-stacked-interventions",
    }


def test_the_first_generation_is_approximate_and_told_as_such(study: Study) -> None:
    assert set(FIRST_GENERATION) == {one.run for one in data.runs() if one.role == "table-only"}
    found = {run.name: run.difference for run in study.runs.values() if run.approximate}
    assert found == FIRST_GENERATION
    assert set(TablesParams.of(study).approximate) == set(FIRST_GENERATION)
    extended = study.runs["local-fineweb-edu-extended-train"].built_in
    assert extended.steps == study.runs["local-fineweb-edu-train"].built_in.steps


def test_the_control_is_the_rate_without_the_schedule(study: Study) -> None:
    assert study.runs[OURS].difference == RATE


def test_the_baseline_recipe(study: Study) -> None:
    recipe = study.runs["8xa100m40-baseline"].built_in
    model = recipe.model
    assert model.model_dump() == {
        "vocabulary": 50257, "context": 1024, "width": 768, "heads": 12, "layers": 12,
        "dropout": 0.1, "qkv_bias": False, "tied": False,
    }  # fmt: skip
    assert parameter_count(model) == 163_009_536
    assert parameter_count(study.runs["8xa100m40-qkv-bias"].model) == 163_037_184
    assert parameter_count(study.runs["8xa100m40-weight-tying"].model) == 124_412_160
    optimizer = recipe.optimizer
    assert (optimizer.learning_rate, optimizer.weight_decay) == (0.0004, 0.1)
    assert (optimizer.betas, optimizer.eps, optimizer.clip_norm) == ([0.9, 0.999], 1e-8, None)
    assert (recipe.precision, recipe.attention, recipe.init) == (
        "float16-amp", "explicit", "reference",
    )  # fmt: skip
    assert (recipe.batch.sequences, recipe.batch.microbatch, recipe.batch.slots) == (96, 12, 8)
    local = study.runs["1xrtx3090-baseline"].built_in.batch
    assert (local.sequences, local.microbatch, local.slots) == (96, 6, 16)


def test_the_windows(study: Study) -> None:
    recipe = study.runs["8xa100m40-baseline"].built_in
    assert recipe.data.train_tokens == 20 * 163_009_536
    assert recipe.tokens_per_step == 98_304
    assert (recipe.steps, recipe.steps * recipe.tokens_per_step) == (33_165, 3_260_252_160)
    assert recipe.data.start_token == 0
    there = study.config.corpora["fineweb"].tokens
    assert there is not None
    assert (there.train, there.test) == (10_248_871_837, 102_163_003)
    test = study.config.evaluation
    assert (test.split, test.start_token, test.batch) == ("test", 50_000_000, 6)
    assert test.tokens == 3_200 * 6 * 1024 == 19_660_800
    assert test.precision == "float16-amp"
    assert {study.measured_on(model) for model in study.models.values()} == {"fineweb"}
    # The series had 55 checkpoints every 617 steps, plus the first and the last step.
    due = study.config.checkpoints.due
    assert sum(due(step) or step == recipe.steps - 1 for step in range(recipe.steps)) == 55


def test_learning_rates(study: Study) -> None:
    schedule = study.runs["8xa100m40-schedule-learning-rate"].built_in
    published = {step: rates(schedule, step).learning_rate for step in (0, 1_658, 17_411, 33_164)}
    assert published == pytest.approx(
        {0: 0.0014e-5, 1_658: 0.0014, 17_411: 0.0007700314089467571,
         33_164: 0.00014000000313181562},
        rel=1e-12,
    )  # fmt: skip
    assert rates(schedule, 1_657).learning_rate < 0.0014
    for name, rate in {"8xa100m40-baseline": 0.0004, OURS: 0.0014}.items():
        recipe = study.runs[name].built_in
        assert {rates(recipe, step).learning_rate for step in (0, 33_164)} == {rate}


def test_noise_is_measured_by_the_published_pairs(study: Study) -> None:
    by_seeds: dict[tuple[int, ...], str] = {
        run.seeds: run.name for run in study.distinct if run.intervention == "baseline"
        and not run.difference
    }  # fmt: skip
    noise = {
        name: [by_seeds[tuple(one)].removeprefix("8xa100m40-baseline") for one in seeds]
        for name, seeds in TablesParams.of(study).noise.items()
    }
    assert noise == {
        "init_and_train": ["", "-3", "-4"],
        "data_only": [],
        "train_only": ["", "-5", "-6"],
        "init_only": ["-5", "-7", "-8"],
    }


def test_initial_weights_have_the_published_digests(study: Study) -> None:
    starts = {one.run: one.start for one in StartsParams.of(study).runs}
    by_seed = {
        42: "8xa100m40-baseline", 22: "8xa100m40-baseline-3", 23: "8xa100m40-baseline-7",
    }  # fmt: skip
    published = {
        42: "48ac9bb1b8ef61c6d48548a308426edd2bd2677bf20dcd2dc38c141fd4fdf0d5",
        22: "1ff9009aa430a56488672931be9f8480e810dce0af23c8b51ed1a25c0bc64dc9",
        23: "63d6087259a2e57de49799aaf388db08332a5b8a70d4a22fd12a2bb96372db11",
    }
    if SHARED.exists():
        known = json.loads((SHARED / "init_digests.json").read_text())["digests"]
        for seed, sha256 in published.items():
            assert known[f"baseline (163M), seed {seed}"] == sha256
    for seed, run in by_seed.items():
        golden = golden_digests(starts[run])
        assert golden is not None
        assert golden["sha256"] == published[seed]
        shapes = {name: tuple(t["shape"]) for name, t in golden["tensors"].items()}
        assert shapes == parameter_shapes(study.runs[run].model)
    # Runs with the baseline's parameters start from the weights of the baseline with their seed.
    moved = {
        run.name for run in study.distinct
        if run.continues is None and run.seeds[0] == 42
        and starts[run.name] != starts["8xa100m40-baseline"]
    }  # fmt: skip
    assert moved == {
        "8xa100m40-qkv-bias", "8xa100m40-weight-tying", "8xa100m40-stacked-interventions-2",
    }  # fmt: skip
    assert study.config.on_mismatch == "stop"


def test_pretrained_models_are_pinned(study: Study) -> None:
    found = {name: PretrainedParams.of(model) for name, model in study.pretrained.items()}
    small, medium = found["openai-gpt2-small"], found["openai-gpt2-medium"]
    assert (small.repo, medium.repo) == ("openai-community/gpt2", "openai-community/gpt2-medium")
    assert small.revision == "607a30d783dfa663caf39e06633721c8d4cfcd7e"
    assert medium.revision == "6dcaa7a952f72f9298047fd5137cd6e4f05f41da"
    assert small.sha256 == "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707"
    assert (small.model.width, medium.model.width, small.context) == (768, 1024, 1024)


def test_the_thirteen_published_models_are_fine_tuned_three_ways(study: Study) -> None:
    ranked = {one.run for one in data.scores() if one.rank is not None}
    assert {model.name for model in study.finetuned} == ranked
    assert len(ranked) == 13
    assert study.config.finetuning is not None
    protocols = study.config.finetuning.protocols
    assert {name: (one.epochs, one.patience) for name, one in protocols.items()} == {
        "early-stop": (100, 1), "epochs-4": (4, None), "epochs-7": (7, None),
    }  # fmt: skip
    for one in protocols.values():
        assert (one.learning_rate, one.weight_decay, one.batch) == (0.00005, 0.1, 8)
        assert (one.template, one.loss_on, one.max_new_tokens) == ("alpaca", "text", 256)
        assert (one.answers.temperature, one.method) == (0.0, "full")
    rows = study.config.finetuning.instructions["alpaca"]
    assert (rows.train, rows.test, rows.validation) == (935, 110, 55)


TIMED = [one for one in TRAINED if one.train_seconds is not None]


@pytest.mark.parametrize("published", TIMED, ids=lambda one: one.run)
def test_planned_hours_are_the_published_ones(
    plans: dict[str, list[RunPlan]], published: data.PublishedRun
) -> None:
    (found,) = [one for some in plans.values() for one in some if one.run == published.run]
    assert found.seconds == pytest.approx(published.train_seconds, rel=0.10)
    assert found.fits


def test_everything_fits_the_machine_that_it_is_planned_on(
    study: Study, plans: dict[str, list[RunPlan]]
) -> None:
    assert list(plans) == ["8xA100-40GB", "8xA100-80GB", "1xRTX3090"]
    assert all(one.fits and one.seconds for some in plans.values() for one in some)
    assert sum(map(len, plans.values())) == len(study.runs)
