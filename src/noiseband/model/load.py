"""Load a trained model from its file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from noiseband.errors import DamagedError, UserError
from noiseband.io.checksums import intact
from noiseband.model.attention import AttentionKind
from noiseband.model.gpt import GPT, empty_model
from noiseband.study.architecture import Model


def load_model(file: Path, config: Model, attention: AttentionKind, device: torch.device) -> GPT:
    """A GPT in eval mode with the float32 weights of a safetensors file, on `device`.

    Raises DamagedError if it is not a safetensors file, and UserError for the first tensor that is
    missing, left over, or of another shape or type than in the config.
    """
    model = empty_model(config, attention)
    parameters = dict(model.named_parameters())
    values: dict[str, torch.Tensor] = {}
    try:
        with safe_open(intact(file), framework="pt") as stored:
            names = set(stored.keys())
            if odd := sorted(names ^ parameters.keys()):
                where = "not in the model" if odd[0] in names else "missing from the file"
                raise UserError(f"{file}: not weights of this model: {odd[0]} is {where}")
            for name, parameter in parameters.items():
                value = stored.get_tensor(name)
                if (value.shape, value.dtype) != (parameter.shape, torch.float32):
                    raise UserError(
                        f"{file}: not weights of this model: {name} is {value.dtype} "
                        f"{tuple(value.shape)}, should be torch.float32 {tuple(parameter.shape)}"
                    )
                # Copied to new memory: in the mapped file a tensor's alignment follows from the
                # length of the header, and matrix libraries choose their kernels by alignment.
                values[name] = torch.empty(value.shape, device=device).copy_(value)
    except SafetensorError as error:
        raise DamagedError(file, f"not a safetensors file: {error}") from None
    model.load_state_dict(values, assign=True)
    return model.eval()


def load_start(file: Path) -> dict[str, torch.Tensor]:
    """Load the weights to train from onto the CPU, by parameter name.

    Raises UserError if the file does not exist, DamagedError if it is not a safetensors file.
    """
    try:
        return load_file(intact(file))
    except OSError as error:
        raise UserError(f"{file}: {error.strerror or error}; make the initial weights") from None
    except SafetensorError as error:
        raise DamagedError(file, f"not a safetensors file: {error}") from None
