"""Plugins that tests use: ideas that keep noiseband's promises, and ideas that break one."""

from __future__ import annotations

from pathlib import Path

HEAD = """\
import noiseband
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

"""

GOOD = (
    HEAD
    + """
@noiseband.feed_forward("square")
class Square(nn.Module):
    def __init__(self, config, *, scale=1.0):
        super().__init__()
        self.up = nn.Linear(config.width, config.hidden)
        self.down = noiseband.Linear(config, config.hidden, config.width, role="residual")
        self.scale = scale

    def forward(self, x):
        return self.down(F.relu(self.up(x)).square() * self.scale)


@noiseband.feed_forward("partly")
class Partly(nn.Module):
    # A parameter that nothing uses, arithmetic in float32, and dropout.

    def __init__(self, config):
        super().__init__()
        self.unused = nn.Linear(3, 3)
        self.up = nn.Linear(config.width, config.hidden)
        self.down = nn.Linear(config.hidden, config.width)

    def forward(self, x):
        inner = F.dropout(F.relu(self.up(x).float()), 0.2, self.training)
        return self.down(inner.to(x.dtype))


@noiseband.feed_forward("sparse")
class Sparse(nn.Module):
    # How many tokens an expert has follows from their values.

    def __init__(self, config):
        super().__init__()
        self.router = nn.Linear(config.width, 2)
        self.experts = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(2))

    def forward(self, x):
        flat = x.flatten(0, 1)
        chance, chosen = self.router(flat).softmax(-1).max(-1)
        out = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            (rows,) = (chosen == number).nonzero(as_tuple=True)
            out = out.index_add(0, rows, expert(flat[rows]) * chance[rows, None])
        return out.view(x.shape)


@noiseband.norm("scaled")
class Scaled(nn.Module):
    def __init__(self, width, config):
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width))
        self.initial = {"scale": noiseband.Draw("constant", 0.5)}

    def forward(self, x):
        return x * x.square().mean(-1, keepdim=True).add(1e-5).rsqrt() * self.scale


@noiseband.positions("sine")
class Sine(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.width = config.width

    def embed(self, positions):
        angles = positions[..., None] * 100.0 ** (-torch.arange(0, self.width, 2) / self.width)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def turn(self, heads, positions):
        return heads * (1.0 + 0.1 * torch.cos(positions)[..., None, None])


@noiseband.attention("sigmoid")
class Sigmoid(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.shift = nn.Parameter(torch.empty(1))
        self.initial = {"shift": noiseband.Draw("constant", -2.0)}

    def forward(self, query, key, value, mask):
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        return torch.sigmoid(scores + self.shift + mask) @ value


@noiseband.attention("fused")
class Fused(nn.Module):
    def __init__(self, config):
        super().__init__()

    def forward(self, query, key, value, mask):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


@noiseband.feed_forward("winners")
class Winners(Square):
    # Another choice of winners is another linear function.

    def forward(self, x):
        x = self.up(x)
        top = x.topk(8, dim=-1)
        return self.down(torch.zeros_like(x).scatter(-1, top.indices, top.values))


@noiseband.feed_forward("narrow")
class Narrow(Square):
    # It needs float32 inputs.

    def forward(self, x):
        return self.down(F.relu(self.up(x.float())))


@noiseband.loss("noisy-logits")
def noisy_logits(logits, targets):
    noisy = logits + 0.1 * torch.randn_like(logits)
    return F.cross_entropy(noisy, targets, reduction="none")


@noiseband.optimizer("lion", memory=["momentum"])
def lion(weight, gradient, memory, learning_rate, weight_decay, update, *, beta=0.9):
    momentum = memory["momentum"]
    weight.mul_(1 - learning_rate * weight_decay)
    weight.sub_(torch.sign(beta * momentum + (1 - beta) * gradient), alpha=learning_rate)
    momentum.mul_(0.99).add_(gradient, alpha=0.01)


@noiseband.schedule("triangle")
def triangle(step, steps):
    return 1 - abs(2 * step / steps - 1)


@noiseband.loss("focal")
def focal(logits, targets, *, gamma=1.0):
    nats = F.cross_entropy(logits, targets, reduction="none")
    return (1 - torch.exp(-nats)) ** gamma * nats


@noiseband.metric("top5")
def top5(logits, targets):
    return (logits.topk(5).indices == targets[:, None]).any(dim=1).float()
"""
)

BAD = (
    HEAD
    + """
class Base(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.up = noiseband.Linear(config, config.width, config.hidden)
        self.down = noiseband.Linear(config, config.hidden, config.width)
        self.calls = 0

    def forward(self, x):
        return self.down(self.middle(self.up(x)))


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * x  # and not 2 x


@noiseband.feed_forward("wrong-gradient")
class WrongGradient(Base):
    def middle(self, x):
        return Wrong.apply(x)


@noiseband.feed_forward("unseeded")
class Unseeded(Base):
    def middle(self, x):
        return torch.relu(x) * float(np.random.default_rng().random())


@noiseband.feed_forward("counting")
class Counting(Base):
    def middle(self, x):
        self.calls += self.training
        return torch.relu(x) * (1 + 0.1 * self.calls)


@noiseband.feed_forward("crash")
class Crash(Base):
    def middle(self, x):
        return x @ x


@noiseband.norm("over-batch")
class OverBatch(nn.Module):
    def __init__(self, width, config):
        super().__init__()

    def forward(self, x):
        return x / (x.std(dim=0, correction=0) + 1)


@noiseband.norm("over-time")
class OverTime(nn.Module):
    def __init__(self, width, config):
        super().__init__()

    def forward(self, x):
        return x - x.mean(dim=1, keepdim=True)


@noiseband.norm("over-batch-in-training")
class OverBatchInTraining(OverBatch):
    def forward(self, x):
        return super().forward(x) if self.training else x


@noiseband.feed_forward("noisy")
class Noisy(Base):
    def middle(self, x):
        return torch.relu(x + 0.1 * torch.randn_like(x))


@noiseband.feed_forward("root")
class Root(Base):
    def middle(self, x):
        return torch.sqrt(x - 10)


@noiseband.feed_forward("column")
class Column(Base):
    def forward(self, x):
        return self.down(self.up(x)).mean(-1, keepdim=True)


@noiseband.feed_forward("no-return")
class NoReturn(Base):
    def forward(self, x):
        self.down(self.up(x))


@noiseband.positions("column-of-positions")
class ColumnOfPositions(nn.Module):
    def __init__(self, config):
        super().__init__()

    def embed(self, positions):
        return positions[..., None] * 0.1


@noiseband.loss("hits")
def hits(logits, targets):
    return logits.argmax(-1) == targets


@noiseband.attention("from-length")
class FromLength(nn.Module):
    def __init__(self, config):
        super().__init__()

    def forward(self, query, key, value, mask):
        scores = query @ key.transpose(-1, -2) / query.shape[-2]
        return torch.softmax(scores + mask, dim=-1) @ value


MOMENTA = {}


@noiseband.optimizer("outside")
def outside(weight, gradient, memory, learning_rate, weight_decay, update):
    place = weight.data_ptr()
    MOMENTA[place] = 0.9 * MOMENTA.get(place, 0.0) * (update > 1) + gradient
    weight.sub_(MOMENTA[place], alpha=learning_rate)


@noiseband.optimizer("nothing")
def nothing(weight, gradient, memory, learning_rate, weight_decay, update):
    weight = weight - learning_rate * gradient


@noiseband.schedule("too-much")
def too_much(step, steps):
    return 1e300


CALLS = []


@noiseband.schedule("global")
def counted(step, steps):
    CALLS.append(step)
    return 1 / len(CALLS)


@noiseband.loss("over-tokens")
def over_tokens(logits, targets):
    nats = F.cross_entropy(logits, targets, reduction="none")
    return nats / nats.mean()
"""
)


def write_plugin(file: Path, text: str) -> Path:
    file.write_text(text)
    return file
