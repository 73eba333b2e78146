"""Train part of a finished run again, to get the gradient and the weights of a step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from noiseband.errors import DamagedError, NotMadeError, UserError
from noiseband.io.files import read_json
from noiseband.io.traces import Row
from noiseband.model.gpt import empty_model
from noiseband.model.load import load_start
from noiseband.study.config import Checkpoints, Samples
from noiseband.study.params import TrainParams
from noiseband.study.paths import Paths
from noiseband.study.recipe import Recipe
from noiseband.train.checkpoint import State
from noiseband.train.flat import FlatParameters
from noiseband.train.loop import mean_gradient, take_step
from noiseband.train.moving_averages import PREFIX
from noiseband.train.trainer import Job, Trainer
from noiseband.train.update import Update

FILES = ("recipe.json", "model.safetensors", "trace.parquet")
"""The files that the folder of every finished run contains."""


@dataclass(frozen=True)
class Replay:
    """The results of one process that trained from a state to the end of a step."""

    rows: list[Row]
    """Trace rows of the steps taken; the last row is the step of `gradient` and `weights`."""
    gradient: dict[str, Tensor]
    """Mean over the slots, unscaled, before clipping; by reference name, float32 on the CPU."""
    weights: dict[str, Tensor]
    """Weights after the step."""


def replay(job: Job, state: State | None, step: int) -> Replay:
    """Train from a state, or from the initial weights, to the end of `step`, and write no file.

    One process trains. With `reduction: ordered` any number of processes gives the same bits.
    """
    trainer = Trainer(job)
    trainer.restore(state)
    rows = [take_step(trainer) for _ in range(trainer.done, step)]
    # Computed once more by the step itself, which clips it.
    mean_gradient(trainer)
    gradient = _copies(trainer, trainer.flat.grad)
    rows.append(take_step(trainer))
    return Replay(rows, gradient, _copies(trainer, trainer.flat.weights))


def _copies(trainer: Trainer, flat: Tensor) -> dict[str, Tensor]:
    return {name: view.detach().cpu().clone() for name, view in trainer.flat.views(flat).items()}


def by_name(job: Job, state: State) -> dict[str, dict[str, Tensor]]:
    """A checkpoint's weights and each tensor of its optimiser, cut into tensors by parameter."""
    recipe = job.params.recipe
    model = empty_model(recipe.model, recipe.attention, fused=True)
    flat = FlatParameters(model, load_start(job.init), torch.device("cpu"))
    update = Update(flat, recipe.optimizer, recipe.plugins)
    cut: dict[str, dict[str, Tensor]] = {}
    for kind, tensor in state.tensors.items():
        if tensor.dim() == 1:  # and so not the number of updates
            whole = kind == "weights" or kind.startswith(PREFIX)
            views = flat.views(tensor) if whole else update.views(kind, tensor)
            cut[kind] = {name: view.clone() for name, view in views.items()}
    return cut


def finished_job(folder: Path, results: Path) -> Job:
    """The job that made the folder of a finished run.

    Args:
        folder: folder of the run, in the study's results or the --out of `noiseband train`.
        results: folder of the study's results, with its tokens and initial weights.

    Raises:
        UserError: the folder is not that of a finished run.
        NotMadeError: the tokens or the initial weights do not exist.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise UserError(f"{folder}: not the folder of a finished run: it has no {name}")
    params = _params(folder / "recipe.json")
    recipe = params.recipe
    paths, corpus = Paths(results), recipe.data.corpus
    start = Path("init", f"{recipe.start}.safetensors")
    if params.continues is not None:
        start = Path("runs", params.continues, "model.safetensors")
    tokens = paths.training_tokens(corpus, recipe.packed)
    vocabulary, init = paths.vocabulary(corpus), results / start
    for path in (tokens, vocabulary, init):
        if not path.is_file():
            raise NotMadeError(path)
    work = _work(folder, results, params.run, recipe)
    return Job.read(params, tokens, vocabulary, init, work, folder)


def _params(path: Path) -> TrainParams:
    try:
        data = read_json(path)
        del data["digest"]
        return TrainParams(**data, samples=Samples(), checkpoints=Checkpoints())
    except DamagedError:
        raise
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise UserError(f"{path}: not the recipe of a run ({error})") from error


def _work(folder: Path, results: Path, run: str, recipe: Recipe) -> Path:
    """Folder of the run's checkpoints: `work` in its folder, or else the workflow's."""
    own = folder / "work"
    return own if own.is_dir() else Paths(results).training(run, recipe)
