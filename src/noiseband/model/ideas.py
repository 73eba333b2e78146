"""Parts of a model that are ideas of plugins: their modules, their initial weights, and what they
keep of a forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from noiseband.errors import UserError, blamed
from noiseband.ideas.load import idea
from noiseband.model.draws import ONE, ZERO, Draw, of_embedding, of_linear
from noiseband.study.architecture import Model


def made_module(part: str, section: Any, config: Model, *arguments: object) -> nn.Module:
    """The module of an idea.

    Args:
        part: the name of the idea's decorator.
        section: the part's section of the model, with `kind` and `options`.
        config: the model.
        arguments: what the idea is given.

    Raises:
        UserError: the idea fails, or returns something that is not a module without state of its
            own.
    """
    function = idea(part, section.kind, config.plugins)
    try:
        module = function(*arguments, **section.options)
    except Exception as error:
        # An error at the call itself, such as one argument too many, is in none of its lines.
        raise UserError(blamed(error) or f"{section.kind}: {error}") from error
    if not isinstance(module, nn.Module):
        raise UserError(f"{section.kind}: should return an nn.Module, not {type(module).__name__}")
    _check_stateless(section.kind, module)
    if part != "positions":  # which is not called, but has methods

        def check(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
            checked_output(section.kind, output, inputs[0].shape)

        module.register_forward_hook(check)
    return module


def check_distinct(model: nn.Module) -> None:
    """Raise UserError if a parameter has two names, under one of which no file would hold it."""
    names: dict[Tensor, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        first = names.setdefault(parameter, name)
        if first != name:
            raise UserError(
                f"{name}: is the same parameter as {first}, and noiseband keeps each under one "
                "name; have the idea make a new module at each call, with parameters of its own"
            )


def checked_output(kind: str, output: object, shape: torch.Size, what: str = "") -> Tensor:
    """What an idea returned. Raises UserError if it is no tensor of numbers of this shape.

    Another shape could be stretched to the right one where it is added, without an error.
    """
    if isinstance(output, Tensor) and output.shape == shape and output.is_floating_point():
        return output
    got: object = type(output).__name__
    if isinstance(output, Tensor):
        got = f"{tuple(output.shape)} of {output.dtype}"
    raise UserError(
        f"{kind}: {what}should return a floating-point tensor of shape {tuple(shape)}, not {got}"
    )


def checked_values(kind: str, values: object, targets: Tensor, trained: bool) -> Tensor:
    """What an idea, a loss or a metric, returned for the targets, (tokens,).

    Raises UserError if it is no value for each token, or if it is to be `trained` and has no
    gradient.
    """
    if not isinstance(values, Tensor) or values.shape != targets.shape:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise UserError(
            f"{kind}: should return a value for each of {len(targets)} tokens, a tensor "
            f"of shape {tuple(targets.shape)}, not {got}"
        )
    if trained and not (values.is_floating_point() and values.requires_grad):
        raise UserError(
            f"{kind}: its values, {values.dtype}, have no gradient, so nothing would be trained; "
            "compute them from the logits by operations that have one"
        )
    return values


def _check_stateless(kind: str, module: nn.Module) -> None:
    """Raise UserError if a module has tensors that are no parameters.

    Checkpoints hold parameters only, and a model is made without memory, so that such a tensor
    would have no values.
    """
    for prefix, part in module.named_modules():
        names = [*part._buffers, *(k for k, v in vars(part).items() if isinstance(v, Tensor))]
        if names:
            where = f"{prefix}.{names[0]}".lstrip(".")
            raise UserError(
                f"{kind}: {where} is a tensor that is no parameter; noiseband keeps parameters "
                "only: make it an nn.Parameter, or compute it in forward"
            )


def draws_of(module: nn.Module, config: Model) -> Mapping[str, Draw]:
    """The distributions of a module's own parameters by name: its attribute `initial`, or those of
    noiseband's layers for PyTorch's linear layers, embeddings and norms; else empty."""
    given = getattr(module, "initial", None)
    if given is not None:
        return cast("Mapping[str, Draw]", given)
    if isinstance(module, nn.Linear):
        return of_linear(config, module.in_features)._asdict()
    if isinstance(module, nn.Embedding):
        return {"weight": of_embedding(config)}
    if isinstance(module, nn.LayerNorm | nn.RMSNorm | nn.GroupNorm):
        return {"weight": ONE, "bias": ZERO}
    return {}


def draw_of(model: nn.Module, name: str, config: Model) -> Draw:
    """The distribution of a model's parameter. Raises UserError if an idea does not say it."""
    owner, _, attribute = name.rpartition(".")
    module = model.get_submodule(owner)
    found = draws_of(module, config).get(attribute)
    if found is None:
        raise UserError(
            f"{name}: {type(module).__name__} does not say how its weights begin; write, as in "
            f'noiseband.Linear: self.initial = {{"{attribute}": noiseband.ONE}}'
        )
    return found


def kept_by(module: nn.Module, *inputs: Tensor) -> int:
    """How many numbers a module's forward pass keeps for its backward pass, its input included.

    Args:
        module: a module without memory, on the meta device.
        inputs: tensors on the meta device.

    Raises UserError if the module fails.
    """
    try:
        return _kept(module, *inputs)
    except Exception:
        # Without memory there are no values, on which a sparse mixture of experts depends.
        module = module.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(0)
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.02, generator=generator)
        real = [torch.randn(one.shape, device="cpu", generator=generator) for one in inputs]
    try:
        return _kept(module, *real)
    except Exception as error:
        raise UserError(blamed(error) or str(error)) from error


def _kept(module: nn.Module, *inputs: Tensor) -> int:
    own = {id(parameter) for parameter in module.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if id(tensor) not in own and tensor._base is None:
            kept[id(tensor)] = tensor  # held, so that no other tensor gets its id
        elif tensor._base is not None and id(tensor._base) not in own:
            kept[id(tensor._base)] = tensor._base
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        module(*(one.requires_grad_() for one in inputs))
    return sum(tensor.numel() for tensor in kept.values())
