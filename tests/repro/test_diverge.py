"""A fault that is injected into real training is found where it was injected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseband.errors import NotMadeError, UserError
from noiseband.io.files import atomic, write_json
from noiseband.io.traces import Row, read_rows, write_trace
from noiseband.repro.diverge import Divergence, diverge
from noiseband.train import loop, replay
from noiseband.train.loop import take_step, train
from noiseband.train.replay import finished_job
from noiseband.train.trainer import Job, Trainer
from tests.train.conftest import MakeJob

EVERY = 4
LENGTH: dict[str, Any] = {"data.train_tokens": 2000}
"""16 steps; checkpoints after 0, 4, 8, 12 and 15."""
NAME, INDEX = "trf_blocks.1.ff.layers.0.weight", 37

Fault = Callable[[Trainer], None]


def flip_weight(trainer: Trainer) -> None:
    """Flip one bit of one weight."""
    where = trainer.flat.slices[NAME][0]
    with torch.no_grad():
        trainer.flat.weights[where].view(torch.int32)[INDEX] ^= 1 << 9


def flip_moment(trainer: Trainer) -> None:
    where = trainer.flat.slices[NAME][0]
    moment = trainer.update.memory()["second_moment"]
    moment[where].view(torch.int32)[INDEX] ^= 1 << 22


def flip_momentum(trainer: Trainer) -> None:
    """Flip one bit of Muon's momentum of one matrix."""
    memory = trainer.update.memory()["1.momentum"]
    matrix = trainer.update.views("1.momentum", memory)[NAME]
    matrix.flatten()[INDEX : INDEX + 1].view(torch.int32)[:] ^= 1 << 22


@contextmanager
def steps_taken_by(function: Callable[[Trainer, int], Row]) -> Iterator[None]:
    """Take all steps of training and of replays with the function."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (loop, replay):
            patch.setattr(module, "take_step", lambda trainer, stop=0: function(trainer, stop))
        yield


@contextmanager
def fault_after(step: int, of: Job, fault: Fault) -> Iterator[None]:
    """Inject the fault at the end of a step, whenever the job `of` is trained inside the block."""

    def faulty(trainer: Trainer, stop: int) -> Row:
        checksum = trainer.flat.checksum

        def after_fault() -> torch.Tensor:
            fault(trainer)
            return checksum()

        if trainer.job is of and trainer.done == step:
            # The checksum is taken when the step's weights are final.
            trainer.flat.checksum = after_fault  # type: ignore[method-assign]
        row = take_step(trainer, stop)
        trainer.flat.checksum = checksum  # type: ignore[method-assign]
        return row

    with steps_taken_by(faulty):
        yield


def parted(a: Job, b: Job, step: int, fault: Fault) -> Divergence:
    """What is found about two runs, of which the second had a fault at the end of a step."""
    train(a)
    with fault_after(step, b, fault):
        train(b)
    return diverge(a, b)


@contextmanager
def other_seed_from(step: int, of: Job) -> Iterator[None]:
    seed = loop._dropout_seed

    def reseeded(trainer: Trainer, slot: int) -> int:
        return seed(trainer, slot) + (trainer.job is of and trainer.done >= step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_dropout_seed", reseeded)
        yield


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """The numbers of all steps that are trained inside the block."""
    taken: list[int] = []
    step = loop.take_step  # it may already inject a fault

    def counting(trainer: Trainer, stop: int) -> Row:
        taken.append(trainer.done)
        return step(trainer, stop)

    with steps_taken_by(counting):
        yield taken


@pytest.fixture
def pair(make_job: MakeJob) -> Callable[..., tuple[Job, Job]]:
    """Make two jobs that keep all checkpoints, with the same recipe except for given changes of
    the second."""

    def make(both: Mapping[str, Any] = LENGTH, **changes: Any) -> tuple[Job, Job]:
        jobs = make_job("a", EVERY, **both), make_job("b", EVERY, **both, **changes)
        kept = [
            replace(
                job,
                params=job.params.model_copy(
                    update={
                        "checkpoints": job.params.checkpoints.model_copy(update={"keep": "all"})
                    }
                ),
            )
            for job in jobs
        ]
        return kept[0], kept[1]

    return make


Pair = Callable[..., tuple[Job, Job]]


def test_equal_runs_are_identical(pair: Pair) -> None:
    a, b = pair()
    train(a)
    train(b)
    found = diverge(a, b)
    assert found.identical
    assert str(found) == "identical: every step's record and every weight are equal"


def test_a_flipped_bit_of_one_weight(pair: Pair) -> None:
    a, b = pair()
    train(a)
    with fault_after(6, b, flip_weight):
        train(b)
        with counted_steps() as taken:
            found = diverge(a, b)
    assert (found.step, found.columns) == (6, ["weights_checksum"])
    assert (found.where, found.tensors, found.reproduced) == ("weights", 1, [True, True])
    assert found.difference is not None
    assert (found.difference.tensor, found.difference.flat_index) == (NAME, INDEX)
    assert found.difference.differing == 1
    assert found.difference.bits is not None
    one, other = (int(text, 16) for text in found.difference.bits)
    assert one ^ other == 1 << 9
    # Both start from the checkpoint after step 4, so at most one interval of each is retrained.
    assert (found.replayed_from, taken) == (5, [5, 6, 5, 6])


def test_another_seed_from_a_step_on(pair: Pair) -> None:
    a, b = pair()
    train(a)
    with other_seed_from(11, b):
        train(b)
        with counted_steps() as taken:
            found = diverge(a, b)
    assert (found.step, found.where, found.replayed_from) == (11, "gradient", 9)
    assert found.columns[0] == "loss"
    assert len(taken) <= 2 * EVERY
    assert found.difference is not None
    assert found.difference.tensor == "tok_emb.weight"


def test_another_order_of_the_sum(pair: Pair) -> None:
    a, b = pair(reduction="allreduce")
    train(a)
    train(b)
    found = diverge(a, b)
    assert (found.step, found.where, found.replayed_from) == (0, "gradient", 0)
    assert "loss" not in found.columns
    assert found.recipes == ["reduction: ordered -> allreduce"]
    assert found.difference is not None
    # Sums in another order differ only in their last bits.
    assert float(found.difference.largest_difference or 1) < 1e-6


def test_another_order_of_the_data(pair: Pair) -> None:
    a, b = pair(**{"data.order": "shuffled"})
    train(a)
    train(b)
    found = diverge(a, b)
    assert (found.step, found.where, found.replayed_from) == (0, "gradient", 0)
    assert found.reproduced == [True, True]
    assert found.recipes == ["data.order: sequential -> shuffled", "data_seed: null -> 42"]


def test_another_learning_rate(pair: Pair) -> None:
    a, b = pair(**{"optimizer.learning_rate": 0.02})
    train(a)
    train(b)
    found = diverge(a, b)
    assert (found.step, found.where) == (0, "weights")
    assert found.columns == ["learning_rate", "weights_checksum"]
    assert "recipes differ: optimizer.learning_rate: 0.01 -> 0.02" in str(found)
    assert found.difference is not None
    assert found.difference.tensor == "tok_emb.weight"


def test_other_initial_weights(pair: Pair) -> None:
    a, b = pair()
    moved = load_file(b.init)
    moved[NAME].view(-1)[INDEX] = 7.0
    with atomic(b.init) as temporary:
        save_file(moved, temporary)
    train(a)
    train(b)
    found = diverge(a, b)
    assert (found.step, found.where, found.tensors) == (0, "initial weights", 1)
    assert found.difference is not None
    assert (found.difference.tensor, found.difference.flat_index) == (NAME, INDEX)


def test_a_fault_that_does_not_come_back_is_told_from_one_that_does(pair: Pair) -> None:
    a, b = pair()
    found = parted(a, b, 6, flip_weight)
    assert (found.step, found.where, found.reproduced) == (6, None, [True, False])
    assert found.note is not None
    assert str(b.out) in found.note
    assert str(a.out) not in found.note
    assert "as if bit 9 of one weight flipped" in found.note


def test_a_checkpoint_after_the_step_names_the_tensor_all_the_same(pair: Pair) -> None:
    a, b = pair()
    found = parted(a, b, 8, flip_weight)
    assert (found.step, found.where, found.reproduced) == (8, "weights", [True, False])
    assert found.difference is not None
    assert (found.difference.tensor, found.difference.flat_index) == (NAME, INDEX)


def test_moments_part_before_the_weights_do(pair: Pair) -> None:
    a, b = pair()
    found = parted(a, b, 4, flip_moment)
    assert (found.step, found.where, found.tensors) == (5, "checkpoint", 1)
    assert found.difference is not None
    assert found.difference.tensor == f"second_moment/{NAME}"


def test_muons_momentum_is_named_too(pair: Pair) -> None:
    a, b = pair(both={**LENGTH, "optimizer.kind": "muon"})
    found = parted(a, b, 4, flip_momentum)
    assert (found.step, found.where, found.tensors) == (5, "checkpoint", 1)
    assert found.difference is not None
    assert found.difference.tensor == f"1.momentum/{NAME}"


def test_without_common_checkpoints_it_starts_at_the_initial_weights(pair: Pair) -> None:
    a, b = pair()
    train(a)
    for file in a.work.glob("step-*"):
        file.unlink()
    with other_seed_from(2, b):
        train(b)
        found = diverge(a, b)
    assert (found.step, found.replayed_from, found.where) == (2, 0, "gradient")


def test_damaged_checkpoints_are_passed_over(pair: Pair) -> None:
    a, b = pair()
    train(a)
    (a.work / "step-00000005.safetensors").write_bytes(b"")
    with other_seed_from(6, b):
        train(b)
        found = diverge(a, b)
    assert (found.step, found.replayed_from, found.where) == (6, 1, "gradient")


def test_a_shorter_trace_and_a_changed_file(pair: Pair) -> None:
    a, b = pair()
    train(a)
    train(b)
    weights = load_file(b.out / "model.safetensors")
    weights[NAME].view(-1)[INDEX] += 1
    with atomic(b.out / "model.safetensors") as temporary:
        save_file(weights, temporary)
    found = diverge(a, b)
    assert (found.step, found.where) == (None, "weights")
    assert "changed after training" in str(found)
    write_trace(b.out / "trace.parquet", read_rows(b.out / "trace.parquet")[:-2])
    assert (diverge(a, b).step, diverge(a, b).columns) == (14, ["step"])


def study_results(job: Job, results: Path) -> None:
    """Arrange a job's files as the workflow does."""
    recipe = job.params.recipe
    tokens = results / "tokens" / recipe.data.corpus
    tokens.mkdir(parents=True)
    folder = job.work.parent
    (folder / "tokens.safetensors").rename(tokens / "train.safetensors")
    (folder / "vocabulary.tiktoken").rename(tokens / "vocabulary.tiktoken")
    (results / "init").mkdir()
    job.init.rename(results / "init" / f"{recipe.start}.safetensors")


def test_a_finished_run_is_found_again_by_its_folder(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job("a", EVERY)
    train(job)
    results = tmp_path / "results"
    with pytest.raises(NotMadeError, match=r"tokens/text/train\.safetensors is not there yet"):
        finished_job(job.out, results)
    study_results(job, results)
    found = finished_job(job.out, results)
    assert found.params.recipe == job.params.recipe
    assert found.work == results / "work" / f"baseline-42-{job.params.recipe.digest[:16]}"
    job.work.rename(job.out / "work")
    assert finished_job(job.out, results).work == job.out / "work"
    assert diverge(found, finished_job(job.out, results)).identical
    write_json(job.out / "recipe.json", {"digest": "0"})
    with pytest.raises(UserError, match=r"recipe\.json: not the recipe of a run"):
        finished_job(job.out, results)
    (job.out / "trace.parquet").unlink()
    with pytest.raises(UserError, match=r"it has no trace\.parquet"):
        finished_job(job.out, results)


def test_it_can_be_written_as_json() -> None:
    import json

    found = Divergence(step=3, columns=["loss"], records=[{"loss": float("nan")}, {"loss": 1.5}])
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["records"] == [
        {"loss": "nan"}, {"loss": "1.5"},
    ]  # fmt: skip
