"""A trained model from its file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from noiseband.errors import DamagedError, UserError
from noiseband.io.checksums import intact
from noiseband.model.gpt import GPT, AttentionKind, empty_model
from noiseband.study.recipe import Model


def load_model(file: Path, config: Model, attention: AttentionKind, device: torch.device) -> GPT:
    """A GPT in eval mode with the float32 weights of a safetensors file, on `device`.

    Raises UserError for a file that is no safetensors file, and for the first tensor that is
    missing, left over, or of another shape or type than the config says.
    """
    model = empty_model(config, attention)
    parameters = dict(model.named_parameters())
    values: dict[str, torch.Tensor] = {}
    try:
        with safe_open(intact(file), framework="pt") as stored:
            names = set(stored.keys())
            if odd := sorted(names ^ parameters.keys()):
                where = "left over in the file" if odd[0] in names else "missing from it"
                raise UserError(f"{file}: not weights of this model: {odd[0]} is {where}")
            for name, parameter in parameters.items():
                value = stored.get_tensor(name)
                if (value.shape, value.dtype) != (parameter.shape, torch.float32):
                    raise UserError(
                        f"{file}: not weights of this model: {name} is {value.dtype} "
                        f"{tuple(value.shape)}, should be torch.float32 {tuple(parameter.shape)}"
                    )
                # New memory rather than the mapped file's: there a tensor's alignment follows from
                # the length of the file's header, and matrix libraries choose their kernels by it.
                values[name] = torch.empty(value.shape, device=device).copy_(value)
    except SafetensorError as error:
        raise DamagedError(file, f"not a safetensors file: {error}") from None
    model.load_state_dict(values, assign=True)
    return model.eval()


def load_start(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file of weights to train from, on the CPU.

    Raises UserError where it is not there, DamagedError where it is no safetensors file.
    """
    try:
        return load_file(intact(file))
    except OSError as error:
        raise UserError(f"{file}: {error.strerror or error}; make the initial weights") from None
    except SafetensorError as error:
        raise DamagedError(file, f"not a safetensors file: {error}") from None
