"""The state of a run, and the step that advances it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tiktoken import Encoding
from torch import Tensor, nn

from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.vocabulary import load_encoding
from noiseband.determinism import make_deterministic, pick_device, seed_everything
from noiseband.errors import UserError
from noiseband.io.traces import Row
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
from noiseband.train.objective import Objective
from noiseband.train.reduce import AllReduce, Ordered
from noiseband.train.schedule import learning_rate


@dataclass(frozen=True)
class Job:
    """The inputs and outputs of one call of `train`."""

    params: TrainParams
    tokens: NDArray[np.uint16]
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
            self.reduction = AllReduce(self.flat, recipe, processes, self.objective)
            self.objective = self.reduction.parallel or self.objective
        options = recipe.optimizer
        self.optimizer = torch.optim.AdamW(
            [self.flat.weights],
            lr=options.learning_rate,
            betas=(options.betas[0], options.betas[1]),
            eps=options.eps,
            weight_decay=options.weight_decay,
            fused=options.fused,
        )
        self.limit = math.inf if options.clip_norm is None else options.clip_norm
        self.waits = processes.device.type == "cpu" or not options.fused
        """Whether a step waits for the norm of its gradient before the update. On a GPU the fused
        kernel reads the norm itself, and the step waits only once, for the trace."""
        self.scale = LossScale(recipe.precision)
        self.done = 0
        """Number of steps done."""
        self.stop = 0
        """Signal that asked any process to stop, as agreed after the last step; 0 for none."""

    def step(self, stop: int = 0) -> Row:
        """One optimiser step over all slots.

        A step with a non-finite gradient is skipped: weights and moments stay as they are. The
        schedule counts attempted steps, so a skipped step and its tokens are used up. The loss
        scale is halved (float16 only), and the trace records loss, norm and `skipped`.

        Args:
            stop: signal that asked this process to stop, or 0.

        Raises:
            PeerLost: another process ended.
            RuntimeError: two processes hold different weights.
        """
        recipe, step = self.recipe, self.done
        losses = self.mean_gradient()
        # Measured after the reduction, so that all processes agree on it.
        measured = torch.linalg.vector_norm(self.flat.grad)
        rate = learning_rate(recipe, step)
        self.optimizer.param_groups[0]["lr"] = rate
        self._update(measured)
        self.done += 1
        everyone, norm, checksum = self._agree(losses, measured, stop)
        finite = math.isfinite(norm)
        self.scale.update(finite)
        return Row(
            step=step,
            loss=float(everyone.mean()),
            learning_rate=rate,
            gradient_norm=norm,
            clipped=finite and norm > self.limit,
            skipped=not finite,
            weights_checksum=checksum,
        )

    def _update(self, measured: Tensor) -> None:
        """Clip the gradient and update the weights, unless the measured norm is not finite."""
        if self.waits:
            norm = float(measured)
            if not math.isfinite(norm):
                return
            if norm > self.limit:
                self.flat.grad.mul_(self.limit / norm)
        else:
            # PyTorch's interface to pass values to the fused kernel that are still on the GPU.
            self.optimizer.found_inf = (~measured.isfinite()).float()  # type: ignore[attr-defined]
            if self.limit < math.inf:
                self.optimizer.grad_scale = (measured / self.limit).clamp(min=1.0)  # type: ignore[attr-defined]
        self.optimizer.step()

    def mean_gradient(self) -> Tensor:
        """Put the next step's gradient, the unscaled mean over all slots, into `flat.grad`.

        Returns:
            The losses of this process's slots, float64, in nats.
        """
        step, own, scale = self.done, self.reduction.slots, self.scale.scale
        losses = torch.zeros(len(own), dtype=torch.float64, device=self.flat.device)

        def backward(slot: int) -> None:
            seed_everything(self._seed(step, slot), self.flat.device)
            loss = self.objective(*self.window.batch(step, slot), scale)
            torch.autograd.backward(loss)
            losses[slot - own.start] = loss.detach()

        self.reduction.sum(backward)
        # A multiplication by the reciprocal, which is exact if slots and scale are powers of two.
        self.flat.grad.mul_(1.0 / (self.recipe.batch.slots * scale))
        return losses / scale

    def _seed(self, step: int, slot: int) -> int:
        """The seed of a slot's dropout.

        A run that continues another one also counts its steps from 0, so the other run's digest is
        part of the seed. Otherwise both would draw the same masks.
        """
        recipe = self.recipe
        before = [] if recipe.continues is None else [recipe.continues]
        return derived_seed(recipe.train_seed, *before, step, slot)

    def _agree(self, losses: Tensor, norm: Tensor, stop: int) -> tuple[Tensor, float, int]:
        """Exchange a few bytes with all processes, and check that their weights are equal.

        This sets `stop`, and it is the only moment of a step at which the CPU waits for a GPU.

        Returns:
            The losses of all slots in order (float64, on the CPU), the norm, and the checksum of
            the weights.
        """
        facts = torch.full((3,), stop, dtype=torch.int64, device=losses.device)
        facts[0] = self.flat.checksum()
        facts[1:2] = norm.double().view(1).view(torch.int64)
        everyone = self.processes.gather(torch.cat([losses.view(torch.int64), facts])).cpu()
        own = everyone[self.processes.rank]
        checksum = int(own[-3])
        different = (everyone[:, -3] != checksum).nonzero()
        if len(different):
            raise RuntimeError(
                f"step {self.done - 1}: processes {self.processes.rank} and {int(different[0])} "
                "hold different weights; they must run on one class of processor, and the memory "
                "of both be sound"
            )
        self.stop = int(everyone[:, -1].max())
        of_all = everyone[:, :-3].contiguous().view(torch.float64).flatten()
        return of_all, float(own[-2:-1].view(torch.float64)), checksum

    def state(self) -> State:
        """The content of a checkpoint; the tensors are not copies."""
        moments = self.optimizer.state[self.flat.weights]
        tensors = {"weights": self.flat.weights.detach()}
        if moments:  # none before the first step that was not skipped
            tensors["first_moment"] = moments["exp_avg"]
            tensors["second_moment"] = moments["exp_avg_sq"]
            tensors["updates"] = moments["step"]
        return State(self.done, tensors, self.scale.scale, self.scale.good_steps)

    def restore(self, state: State | None) -> None:
        """Resume from the first process's checkpoint; None starts from the initial weights.

        The `state` of the other processes is ignored, because their machine may not have the file.
        """
        updates = state.tensors.get("updates", -1) if state else -1  # -1: no moments yet
        numbers = [state.step, state.scale, state.good_steps, updates] if state else [0, 0, 0, -1]
        agreed = torch.tensor(numbers, dtype=torch.float64, device=self.flat.device)
        self.processes.from_first(agreed)
        step, scale, good_steps, updates = agreed.tolist()
        if not step:
            return
        tensors: dict[str, Tensor] = {}
        for name in ("weights", "first_moment", "second_moment")[: 3 if updates >= 0 else 1]:
            tensors[name] = torch.empty_like(self.flat.weights, requires_grad=False)
            if state and self.processes.first:
                tensors[name].copy_(state.tensors[name])
            self.processes.from_first(tensors[name])
        with torch.no_grad():
            self.flat.weights.copy_(tensors["weights"])
        if updates >= 0:
            # The fused kernel counts the updates on the device, the other kernel on the CPU.
            device = self.flat.device if self.recipe.optimizer.fused else "cpu"
            self.optimizer.state[self.flat.weights] = {
                "step": torch.tensor(updates, dtype=torch.float32, device=device),
                "exp_avg": tensors["first_moment"],
                "exp_avg_sq": tensors["second_moment"],
            }
        self.scale.scale, self.scale.good_steps = scale, int(good_steps)
        self.done = int(step)

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
