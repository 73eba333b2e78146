"""The weights that a run keeps besides its final ones: snapshots from before its end, and moving
averages.

While the run trains, snapshots are files in its work folder, each verified by a digest in its
metadata. A snapshot is written before any later checkpoint, so a run that resumes from a checkpoint
has all snapshots from before it, and writes the later ones again with the same bits. Moving
averages are in the checkpoints themselves.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from noiseband.errors import UserError
from noiseband.io.digests import digest, file_digest, file_digests
from noiseband.io.files import atomic, write_json
from noiseband.io.tensor_files import TensorFile
from noiseband.study.params import TrainParams
from noiseband.study.paths import average_in, snapshot_in
from noiseband.train.checkpoint import State
from noiseband.train.moving_averages import state_name
from noiseband.train.trainer import Trainer

Weights = Mapping[str, Tensor]
"""Weights by the reference's names, float32 on the CPU."""


class Kept:
    """The snapshots and moving averages of one run. They have no effect on its weights."""

    def __init__(self, params: TrainParams, work: Path) -> None:
        snapshots, steps = params.snapshots, params.recipe.steps
        self.numbers = {} if snapshots is None else snapshots.numbers(steps)
        """The number of each snapshot, by the steps done."""
        self.decays = params.averages
        """The decay of each moving average, by its name."""
        self.work = work

    def names(self, step: int) -> list[str]:
        """Files in the work folder that a checkpoint after `step` steps relies on."""
        return [_file_name(done) for done in self.numbers if done <= step]

    def lacking(self, state: State) -> str | None:
        """The first snapshot from before a checkpoint that is missing or damaged, or a moving
        average that the checkpoint does not have; None if there is none, so that the run can resume
        from the checkpoint."""
        for name, decay in self.decays.items():
            if state_name(decay) not in state.tensors:
                return f"the average {name} (decay {decay})"
        names = self.names(state.step)
        return next((name for name in names if not _intact(self.work / name)), None)

    def step(self, trainer: Trainer) -> None:
        """Write a snapshot if one is due after the steps done."""
        if trainer.done in self.numbers:
            path = self.work / _file_name(trainer.done)
            _write(path, final_weights(trainer), checksum=False)  # it verifies itself

    def finish(self, out: Path, trainer: Trainer, final: Weights) -> None:
        """Write the snapshots and moving averages of a finished run into its folder, with digests.

        A run that diverged has its final weights in place of the snapshots that it did not reach:
        the skipped steps would have left the weights as they are.
        """
        for done, number in self.numbers.items():
            file = snapshot_in(out, number) / "model.safetensors"
            if done <= trainer.done:
                with atomic(file) as temporary:
                    shutil.copyfile(self.work / _file_name(done), temporary)
            else:
                _write(file, final)
            write_json(file.with_name("model.json"), file_digests(file))
        for name, decay in self.decays.items():
            file = average_in(out, name) / "model.safetensors"
            _write(file, trainer.averages.weights(decay))
            write_json(file.with_name("model.json"), file_digests(file))


def final_weights(trainer: Trainer) -> dict[str, Tensor]:
    """Copies of the weights after the steps done, by the reference's names, on the CPU."""
    # Cloned, because safetensors refuses tensors that share storage.
    views = trainer.flat.views(trainer.flat.weights)
    return {name: view.detach().cpu().clone() for name, view in views.items()}


def _file_name(done: int) -> str:
    return f"snapshot-{done:08d}.safetensors"


def _write(path: Path, weights: Weights, checksum: bool = True) -> None:
    with atomic(path, checksum=checksum) as temporary:
        save_file(dict(weights), temporary, metadata={"sha256": digest(weights)})


def _intact(path: Path) -> bool:
    try:
        return TensorFile(path).metadata.get("sha256") == file_digest(path)
    except UserError:
        return False
