"""What a process of a run holds: tokens, model, gradient, optimiser, and the step reached."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from noiseband.corpus.token_file import Tokens, open_tokens
from noiseband.corpus.vocabulary import Encoding, load_encoding
from noiseband.determinism import make_deterministic, pick_device
from noiseband.errors import UserError
from noiseband.model.generate import generate
from noiseband.model.gpt import empty_model
from noiseband.model.load import load_start
from noiseband.model.sampling import Sampling
from noiseband.randomness import derived_seed
from noiseband.study.params import TrainParams
from noiseband.train.checkpoint import State
from noiseband.train.data import TokenWindow
from noiseband.train.flat import FlatParameters
from noiseband.train.heap import keep_freed_memory
from noiseband.train.launch.processes import Processes
from noiseband.train.loss_scale import LossScale
from noiseband.train.moving_averages import MovingAverages
from noiseband.train.objective import Objective
from noiseband.train.reduce import AllReduce, Ordered
from noiseband.train.update import Update


@dataclass(frozen=True)
class Job:
    """The inputs and outputs of one call of `train`."""

    params: TrainParams
    tokens: Tokens
    """The training split, memory-mapped."""
    encoding: Encoding
    init: Path
    """Safetensors file with the initial weights."""
    work: Path
    """Folder for checkpoints, keyed by run and recipe digest."""
    out: Path
    """Folder for the model, its trace and its samples."""
    copy: str | None = None
    """URI of a folder on object storage with a copy of `work`, or None."""

    @classmethod
    def read(
        cls,
        params: TrainParams,
        tokens: Path,
        vocabulary: Path,
        init: Path,
        work: Path,
        out: Path,
        copy: str | None = None,
    ) -> Job:
        """Return a job with the tokens and the encoding from their files."""
        return cls(
            params=params,
            # Only one process compares the checksum, so that only one reports a damaged file.
            tokens=open_tokens(tokens, compare=os.environ.get("RANK", "0") == "0"),
            encoding=load_encoding(vocabulary),
            init=init,
            work=work,
            out=out,
            copy=copy,
        )


class Trainer:
    """One process's copy of the weights and moments, equal on all processes after every step."""

    def __init__(self, job: Job, processes: Processes | None = None) -> None:
        """Raises UserError if there are too few tokens, if the initial weights are missing or are
        those of another model, or if the processes do not divide the slots."""
        self.job = job
        self.recipe = recipe = job.params.recipe
        self.processes = processes = processes or Processes(0, 1, pick_device())
        processes.share(recipe.batch.fewest_slots)  # before anything is read
        make_deterministic(recipe.threads, recipe.precision)
        keep_freed_memory()
        self.model = empty_model(recipe.model, recipe.attention, fused=True)
        start = load_start(job.init)
        try:
            self.flat = FlatParameters(self.model, start, processes.device)
        except ValueError as error:
            raise UserError(f"{job.init}: {error}; make the initial weights again") from error
        self.model.train()
        self.window = TokenWindow(job.tokens, recipe, processes.device)
        self.objective: nn.Module = Objective(self.model, recipe, processes.device)
        self.reduction: Ordered | AllReduce
        if recipe.reduction == "ordered":
            self.reduction = Ordered(self.flat, recipe, processes)
        else:
            self.reduction = AllReduce(self.flat, processes, self.objective)
            self.objective = self.reduction.parallel or self.objective
        self.update = Update(self.flat, recipe.optimizer, recipe.plugins)
        self.averages = MovingAverages(
            self.flat, job.params.averages.values() if processes.first else []
        )
        self.scale = LossScale(recipe.precision)
        self.done = 0
        """Number of steps done."""
        self.skipped = 0
        """Number of the last steps that were skipped, in a row."""
        self.stop = 0
        """Signal that asked any process to stop, as agreed after the last step; 0 for none."""

    @property
    def diverged(self) -> bool:
        """Whether so many steps in a row were skipped that the run ends here."""
        return self.skipped >= self.recipe.diverged_after

    def state(self) -> State:
        """The content of a checkpoint; the tensors are not copies."""
        own = {**self.update.state(), **self.averages.state()}
        tensors = {"weights": self.flat.weights.detach(), **own}
        return State(self.done, tensors, self.scale.scale, self.scale.good_steps, self.skipped)

    def restore(self, state: State | None) -> None:
        """Resume from the first process's checkpoint; None starts from the initial weights.

        The `state` of the other processes is ignored, because their machine may not have the file.
        """
        updates = state.tensors.get("updates", -1) if state else -1  # -1: no moments yet
        numbers = [state.step, state.scale, state.good_steps, state.skipped] if state else [0] * 4
        agreed = torch.tensor([*numbers, updates], dtype=torch.float64, device=self.flat.device)
        self.processes.from_first(agreed)
        step, scale, good_steps, skipped, updates = agreed.tolist()
        if not step:
            return
        held = {"weights": self.flat.weights}
        if updates >= 0:
            self.update.begin(updates)
            held |= self.update.memory()
        with torch.no_grad():
            for name, tensor in held.items():
                if state and self.processes.first:
                    tensor.copy_(state.tensors[name])
                self.processes.from_first(tensor)
            if state and self.processes.first:
                self.averages.restore(state.tensors)
        self.scale.scale, self.scale.good_steps = scale, int(good_steps)
        self.done, self.skipped = int(step), int(skipped)

    def sample(self) -> dict[str, object]:
        """A text from the model after the steps done."""
        samples, encoding = self.job.params.samples, self.job.encoding
        prompt = encoding.encode_ordinary(samples.prompt)
        [tokens] = generate(
            self.model,
            [prompt],
            samples.new_tokens,
            rows=1,
            sampling=Sampling(samples.temperature, samples.top_k, samples.top_p),
            seeds=[derived_seed(samples.seed, self.done)],
        )
        return {"step": self.done - 1, "prompt": samples.prompt, "text": encoding.decode(tokens)}
