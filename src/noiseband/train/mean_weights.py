"""The mean of several sets of a run's weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from noiseband.errors import UserError
from noiseband.io.checksums import intact
from noiseband.io.digests import file_digests
from noiseband.io.files import atomic, write_json


def write_mean(files: Sequence[Path], out: Path) -> None:
    """Write the mean of float32 weights, with its digests in `model.json` in the same folder.

    The weights are summed in float64, in the order of the files, and rounded once. Only one tensor
    of each file is in memory at a time, and the means.

    Raises:
        UserError: a file is damaged, or the files have other tensors.
    """
    means: dict[str, torch.Tensor] = {}
    with ExitStack() as stack:
        opened = [stack.enter_context(safe_open(intact(file), framework="pt")) for file in files]
        for file, one in zip(files, opened, strict=True):
            if set(one.keys()) != set(opened[0].keys()):
                raise UserError(f"{file}: has other weights than {files[0]}; train the run again")
        for name in opened[0].keys():
            total = opened[0].get_tensor(name).double()
            for one in opened[1:]:
                total += one.get_tensor(name)
            means[name] = (total / len(files)).float()
    with atomic(out) as temporary:
        save_file(means, temporary)
    write_json(out.with_name("model.json"), file_digests(out))
