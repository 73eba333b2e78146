"""The objective of training: the mean cross-entropy of a microbatch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from noiseband.determinism import ARITHMETIC, autocast
from noiseband.model.gpt import GPT
from noiseband.study.recipe import Recipe
from noiseband.train.loss import head_loss, own_loss, plain_loss

ON_GPU: Mapping[str, bool] = {
    # Never choose a kernel by its measured time, which could give other bits on another day.
    "deterministic": True,
    # Starting the kernels of a pass as one CUDA graph would save the gaps between them. It stays
    # off until tests/train/test_on_gpu.py, which turns it on, has passed on a GPU.
    "triton.cudagraphs": False,
}
"""Options of the compiler for a GPU."""


class Objective(nn.Module):
    """Maps inputs and targets, each (microbatch, context) int64, to the loss times `scale`.

    The loss is a float32 scalar in nats: the plain cross-entropy, with the gradient of what the
    recipe minimises.
    """

    def __init__(self, model: GPT, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        self.model = model
        self.autocast = autocast(recipe.precision, device)
        self.dtype = ARITHMETIC[recipe.precision].autocast or torch.float32
        self.terms, self.softcap = recipe.loss, recipe.model.logit_softcap
        self.own = own_loss(recipe.loss, recipe.plugins)
        self.hidden: Callable[[Tensor], Tensor] = self._hidden
        self.whole = recipe.compile and device.type == "cpu"
        """Whether the loss is compiled together with the model."""
        self.apart = recipe.compile and not self.whole
        """Whether only the model is compiled, without the head and its loss."""
        if self.whole:
            self.compile(fullgraph=True, dynamic=False)
        if self.apart:
            self.compile_model()

    def compile_model(self) -> None:
        """Compile the model without the head and its loss, which have a faster kernel."""
        from noiseband.model.lookup import lookup  # registers an operator, which takes time

        for table in (self.model.tok_emb, self.model.pos_emb):
            if table is not None:
                table.lookup = lookup
        self.hidden = torch.compile(
            self._hidden, fullgraph=True, dynamic=False, options=dict(ON_GPU)
        )

    def forward(self, inputs: Tensor, targets: Tensor, scale: float) -> Tensor:
        if self.own is not None:
            hidden = self.hidden(inputs)
            with self.autocast():
                logits = self.model.logits(hidden)
            return self.own(logits.float(), targets.flatten()) * scale
        if self.whole:
            # On a CPU, the compiler fuses PyTorch's own loss with the operations around it.
            with self.autocast():
                logits = self.model(inputs).flatten(0, 1)
                return plain_loss(logits.float(), targets.flatten(), self.terms) * scale
        if self.apart:
            # Tensors of the last pass in the memory of CUDA graphs may now be overwritten.
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        hidden, head, softcap = self.hidden(inputs), self.model.head, self.softcap
        return head_loss(hidden, head, targets.flatten(), self.dtype, scale, self.terms, softcap)

    def _hidden(self, inputs: Tensor) -> Tensor:
        """The input of the head, (microbatch x context, width)."""
        with self.autocast():
            hidden = self.model.hidden(inputs).flatten(0, 1)
        # The compiler can fuse this conversion to the dtype of the products.
        return hidden.to(self.dtype) if self.apart else hidden
