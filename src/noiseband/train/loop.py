"""One training run, from initial weights to final weights."""

from __future__ import annotations

import math
import platform
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tiktoken import Encoding

from noiseband.determinism import autocast, make_deterministic, pick_device
from noiseband.files import atomic, write_json, write_jsonl
from noiseband.model.generate import generate
from noiseband.model.gpt import empty_model
from noiseband.randomness import derived_seed
from noiseband.repro.digest import digests
from noiseband.study.params import TrainParams
from noiseband.trace import Row, write_trace
from noiseband.train.checkpoint import Journal, State, load, locked, save
from noiseband.train.data import TokenWindow
from noiseband.train.flat import FlatParameters
from noiseband.train.loss import cross_entropy
from noiseband.train.loss_scale import LossScale
from noiseband.train.progress import Progress
from noiseband.train.schedule import learning_rate
from noiseband.train.tree import leaves, tree_sum


class Interrupted(Exception):
    """SIGTERM or SIGINT arrived; the checkpoint is written."""

    def __init__(self, received: signal.Signals) -> None:
        super().__init__(received.name)
        self.signal = int(received)


@dataclass(frozen=True)
class Job:
    """What one call of `train` needs."""

    params: TrainParams
    tokens: NDArray[np.uint16]
    """The training split, memory-mapped."""
    encoding: Encoding
    init: Path
    """Safetensors file with the initial weights."""
    work: Path
    """Folder for checkpoints, keyed by run and recipe digest."""
    out: Path
    """Folder for `model.safetensors`, `trace.parquet`, `samples.jsonl` and `timing.json`."""


class Trainer:
    """The state of a run and the one step that moves it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.recipe = recipe = job.params.recipe
        make_deterministic(recipe.threads, recipe.precision)
        self.device = pick_device()
        self.model = empty_model(recipe.model, recipe.attention)
        self.flat = FlatParameters(self.model, load_file(job.init), self.device)
        self.model.train()
        self.window = TokenWindow(job.tokens, recipe, self.device)
        options = recipe.optimizer
        self.optimizer = torch.optim.AdamW(
            [self.flat.weights],
            lr=options.learning_rate,
            betas=(options.betas[0], options.betas[1]),
            eps=options.eps,
            weight_decay=options.weight_decay,
            fused=options.fused,
        )
        self.scale = LossScale(recipe.precision)
        self.done = 0

    def step(self) -> Row:
        """One optimiser step over all slots."""
        recipe, step, slots = self.recipe, self.done, self.recipe.batch.slots
        losses = torch.zeros(slots, dtype=torch.float64, device=self.device)

        def backward(slot: int) -> None:
            torch.manual_seed(derived_seed(recipe.train_seed, step, slot))
            inputs, targets = self.window.batch(step, slot)
            with autocast(recipe.precision, self.device):
                logits = self.model(inputs)
                loss = cross_entropy(logits.flatten(0, 1), targets.flatten())
            torch.autograd.backward(loss * self.scale.scale)
            losses[slot] = loss.detach()

        tree_sum(range(slots), slots // leaves(slots), self.flat.grad, backward)
        # One multiplication by a reciprocal: exact where slots and scale are powers of two.
        self.flat.grad.mul_(1.0 / (slots * self.scale.scale))
        norm = float(torch.linalg.vector_norm(self.flat.grad))
        finite, clipped = math.isfinite(norm), False
        rate = learning_rate(recipe, step)
        if finite:
            limit = recipe.optimizer.clip_norm
            clipped = limit is not None and norm > limit
            if limit is not None and clipped:
                self.flat.grad.mul_(limit / norm)
            self.optimizer.param_groups[0]["lr"] = rate
            self.optimizer.step()
        # The schedule counts attempted steps: a skipped one is over, and its tokens are spent.
        self.scale.update(finite)
        self.done += 1
        return Row(
            step=step,
            loss=float(losses.mean()),
            learning_rate=rate,
            gradient_norm=norm,
            clipped=clipped,
            skipped=not finite,
            weights_checksum=self.flat.checksum(),
        )

    def state(self) -> State:
        moments = self.optimizer.state[self.flat.weights]
        tensors = {"weights": self.flat.weights.detach()}
        if moments:  # none before the first step that was not skipped
            tensors["first_moment"] = moments["exp_avg"]
            tensors["second_moment"] = moments["exp_avg_sq"]
            tensors["updates"] = moments["step"]
        return State(self.done, tensors, self.scale.scale, self.scale.good_steps)

    def restore(self, state: State) -> None:
        tensors = {name: tensor.to(self.device) for name, tensor in state.tensors.items()}
        with torch.no_grad():
            self.flat.weights.copy_(tensors["weights"])
        if "updates" in tensors:
            self.optimizer.state[self.flat.weights] = {
                "step": state.tensors["updates"],
                "exp_avg": tensors["first_moment"],
                "exp_avg_sq": tensors["second_moment"],
            }
        self.scale.scale, self.scale.good_steps = state.scale, state.good_steps
        self.done = state.step

    def sample(self) -> dict[str, object]:
        """Text from the model as it is after the steps done."""
        samples, encoding = self.job.params.samples, self.job.encoding
        prompt = encoding.encode_ordinary(samples.prompt)
        tokens = generate(
            self.model,
            prompt,
            samples.new_tokens,
            temperature=samples.temperature,
            top_k=samples.top_k,
            seed=derived_seed(samples.seed, self.done),
        )
        return {"step": self.done - 1, "prompt": samples.prompt, "text": encoding.decode(tokens)}


def train(job: Job) -> None:
    """Train one run, resuming from the newest intact checkpoint in its work folder.

    Raises:
        Interrupted: after SIGTERM or SIGINT, with the step reached saved.
        UserError: too few tokens, a full disk, another process on the same run.
    """
    run, recipe, checkpoints = job.params.run, job.params.recipe, job.params.checkpoints
    with ExitStack() as stack:
        stack.enter_context(locked(job.work))
        stop = stack.enter_context(_stop_requests())
        trainer = Trainer(job)
        progress = Progress(run, recipe.steps, recipe.tokens_per_step, job.work / "train.log")
        stack.callback(progress.close)
        state, complaints = load(job.work)
        for complaint in complaints:
            progress.say(f"{run}: {complaint}")
        if state is not None:
            trainer.restore(state)
            progress.say(f"{run}: going on after step {state.step}")
        trace = Journal(job.work / "trace.jsonl", trainer.done)
        stack.callback(trace.close)
        samples = Journal(job.work / "samples.jsonl", trainer.done)
        stack.callback(samples.close)
        drawn_at = sample_steps(recipe.steps, checkpoints.every)

        started, resumed_at = time.perf_counter(), trainer.done
        while trainer.done < recipe.steps:
            row = trainer.step()
            trace.append(asdict(row))
            progress.step(row)
            if row.step in drawn_at:
                samples.append(trainer.sample())
            last = trainer.done == recipe.steps
            if row.step % checkpoints.every == 0 or last or stop:
                trace.flush()
                samples.flush()
                save(job.work, trainer.state(), checkpoints.keep)
            if stop and not last:
                progress.say(f"{run}: stopped by {stop[0].name} after step {trainer.done}; saved")
                raise Interrupted(stop[0])
        seconds = time.perf_counter() - started
        _write_results(job, trainer, trace.rows, samples.rows)
        _write_timing(job, trainer, recipe.steps - resumed_at, seconds)


Rows = list[dict[str, Any]]


def _write_results(job: Job, trainer: Trainer, trace: Rows, samples: Rows) -> None:
    params = job.params
    write_json(
        job.out / "recipe.json",
        {
            **params.model_dump(exclude={"samples", "checkpoints"}),
            "digest": params.recipe.digest,
        },
    )
    write_trace(job.out / "trace.parquet", [Row(**row) for row in trace])
    write_jsonl(job.out / "samples.jsonl", samples)
    # Clones, because safetensors refuses tensors that share a storage.
    views = trainer.flat.views(trainer.flat.weights)
    weights = {name: view.detach().cpu().clone() for name, view in views.items()}
    write_json(job.out / "model.json", digests(weights))
    with atomic(job.out / "model.safetensors") as temporary:
        save_file(weights, temporary)


def _write_timing(job: Job, trainer: Trainer, steps: int, seconds: float) -> None:
    tokens = steps * trainer.recipe.tokens_per_step
    write_json(
        job.out / "timing.json",
        {
            "seconds": round(seconds, 3),
            "steps": steps,
            "resumed_at_step": trainer.recipe.steps - steps,
            "tokens_per_second": round(tokens / seconds) if steps else None,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "device": device_name(trainer.device),
            "machine": platform.machine(),
            "torch": torch.__version__,
        },
    )


def sample_steps(steps: int, every: int) -> frozenset[int]:
    """Steps after which a sample is drawn: log-spaced early ones, every checkpoint, the last."""
    early = (2**k for k in range(steps.bit_length()) if 2**k < min(every, steps))
    return frozenset({0, steps - 1, *early, *range(0, steps, every)})


def device_name(device: torch.device) -> str:
    """The processor's marketing name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@contextmanager
def _stop_requests() -> Iterator[list[signal.Signals]]:
    """Collect SIGTERM and SIGINT instead of dying from them."""
    received: list[signal.Signals] = []
    handled = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(s, lambda n, _: received.append(signal.Signals(n))) for s in handled]
    try:
        yield received
    finally:
        for number, handler in zip(handled, before, strict=True):
            signal.signal(number, handler)
