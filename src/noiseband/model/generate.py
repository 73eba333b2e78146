"""Text from a model, token by token, many texts at once.

A text's bits do not depend on the texts beside it. The shape of every operation follows from the
number of rows, the text's own padded length and how many tokens it has got, and rows that are not
needed are computed all the same: other shapes choose other kernels, whose last bits differ. So do
other places in memory, and where those cannot be alike, texts grow one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseband.model.gpt import GPT, Linear
from noiseband.model.sampling import GREEDY, Sampling, draw

BLOCK = 64
"""Prompts are padded to a multiple of this many tokens. So is the cache's room: then all its rows
and heads are aligned alike, and matrix libraries choose their kernels by that too."""


ROWS = 8
"""Texts that grow together are a multiple of this many. PyTorch's GELU treats the elements that its
vectors leave over (of 32, at the end of a tensor) apart, and with other bits; of 8 rows, whose
widths are multiples of 4 there, none are left."""


ALIGNED = 4
"""Texts grow together where the width of a head is a multiple of this many float32 numbers.

MKL's float32 products (its AVX2 kernels do, those for AVX-512 were never seen to) sum in another
order where an operand or the result begins at another place modulo 16 bytes. Attention is one
product for each text and head, and these begin a head's width apart, or a multiple of it. With a
multiple of 4, all begin alike; with any other, a row's bits may depend on its place. So may
those of a whole layer whose width is below 12 and no multiple of 4, which is excluded with it."""


@dataclass
class Text:
    """One row: a prompt and what follows it."""

    tokens: list[int]
    """Prompt and new tokens."""
    limit: int
    """Number of tokens that ends it."""
    generator: torch.Generator
    """Of its draws."""
    ended: bool = False

    def add(self, token: int, stop: int | None) -> None:
        if token != stop:
            self.tokens.append(token)
        self.ended = token == stop or len(self.tokens) >= self.limit


@torch.inference_mode()
def generate(
    model: GPT,
    prompts: Sequence[list[int]],
    new_tokens: int,
    *,
    rows: int,
    sampling: Sampling = GREEDY,
    seeds: Sequence[int] | None = None,
    stop: int | None = None,
    slide: bool = True,
    report: Callable[[int], None] = lambda done: None,
) -> list[list[int]]:
    """Up to `new_tokens` token ids that follow each prompt; without `stop`, exactly as many.

    Beyond the context limit the model sees the last `context` tokens. Their positions change with
    every token then, so nothing can be kept and each costs a pass over the whole window.

    Args:
        prompts: none of them empty.
        rows: texts that grow together, 1 or a multiple of `ROWS`; part of what decides the bits.
            Where the width of a head is no multiple of `ALIGNED` it is taken for 1.
        seeds: of each text's draws, which come from a CPU generator of its own. Not for greedy.
        stop: token that ends a text (it is not returned).
        slide: without, a text also ends where its context is full: at one token more, the last
            position's.
        report: called with the number of finished texts, after each batch.

    Raises:
        ValueError: another number of rows.
    """
    if rows != 1 and rows % ROWS:
        raise ValueError(f"rows={rows} is neither 1 nor a multiple of {ROWS}")
    if model.config.width // model.config.heads % ALIGNED:
        rows = 1
    context, training = model.config.context, model.training
    texts = [
        Text(
            list(prompt),
            len(prompt) + new_tokens if slide else min(len(prompt) + new_tokens, context + 1),
            torch.Generator().manual_seed(seeds[i] if seeds else 0),
        )
        for i, prompt in enumerate(prompts)
    ]
    model.eval()
    done = 0
    for group in _alike(texts, context, rows):
        batch = _Batch(model, group, rows, sampling, stop)
        batch.grow(min(new_tokens, context))
        batch.slide()
        done += len(group)
        report(done)
    model.train(training)
    return [text.tokens[len(prompt) :] for text, prompt in zip(texts, prompts, strict=True)]


def for_few_rows(model: GPT) -> GPT:
    """The same model with its matrices as a CPU multiplies few rows by them fastest: (in, out) in
    memory, up to twice as fast for 16 rows. Not for training, whose bits may change by it."""
    for part in model.trf_blocks.modules():
        if isinstance(part, Linear):
            part.weight.data = part.weight.data.T.contiguous().T
    return model


def _alike(texts: Sequence[Text], context: int, rows: int) -> list[list[Text]]:
    """At most `rows` texts together, all of one padded length."""
    alike: dict[int, list[Text]] = {}
    for text in texts:
        alike.setdefault(_padded(min(len(text.tokens), context)), []).append(text)
    return [
        group[begin : begin + rows]
        for _, group in sorted(alike.items())
        for begin in range(0, len(group), rows)
    ]


def _padded(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _tensor(windows: Sequence[list[int]], length: int, device: torch.device) -> Tensor:
    """Token ids, (windows, length), filled up on the right."""
    filled = [window + [0] * (length - len(window)) for window in windows]
    return torch.tensor(filled, device=device)


class _Batch:
    """Texts that grow together, filled up to `rows` with texts that nobody wants."""

    def __init__(
        self, model: GPT, texts: list[Text], rows: int, sampling: Sampling, stop: int | None
    ) -> None:
        unwanted = [Text([0], 1, torch.Generator(), True) for _ in range(rows - len(texts))]
        self.model, self.texts, self.sampling, self.stop = model, texts + unwanted, sampling, stop
        self.context, self.device = model.config.context, model.tok_emb.weight.device

    def grow(self, most: int) -> None:
        """Go on until each text has ended or is longer than the context, by at most `most` tokens.

        Prompts are padded on their right, where none of their tokens looks, and the new tokens of
        all rows lie side by side after that. The padding between is masked.
        """
        rows, device = len(self.texts), self.device
        windows = [text.tokens[-self.context :] for text in self.texts]
        padded = _padded(len(windows[0]))
        past = self.model.no_past(rows, _padded(padded + most))
        lengths = torch.tensor([len(window) for window in windows], device=device)
        places = torch.arange(padded, device=device)
        causal = torch.full((padded, padded), -math.inf, device=device).triu(1)
        # Padding beyond the context has no position of its own; any will do.
        positions = places.clamp(max=self.context - 1)[None]
        tokens = _tensor(windows, padded, device)
        hidden = self.model.extend(past, tokens, positions, causal[None, None])
        hidden = hidden[torch.arange(rows, device=device), lengths - 1]

        mask = torch.zeros(rows, 1, 1, padded + most, device=device)
        mask[..., :padded].masked_fill_(places >= lengths[:, None, None, None], -math.inf)
        for read in range(padded + 1, padded + most + 1):
            self.choose(hidden, [len(text.tokens) <= self.context for text in self.texts])
            if all(text.ended or len(text.tokens) > self.context for text in self.texts):
                break
            last = _tensor([text.tokens[-1:] for text in self.texts], 1, device)
            positions = lengths.clamp(max=self.context - 1)[:, None]
            hidden = self.model.extend(past, last, positions, mask[..., :read])[:, 0]
            lengths += 1

    def slide(self) -> None:
        """Go on with the texts that are longer than the context, until each has ended."""
        context = self.context
        while not all(text.ended for text in self.texts):
            windows = [text.tokens[-context:] for text in self.texts]
            hidden = self.model.hidden(_tensor(windows, context, self.device))[:, -1]
            self.choose(hidden, [True] * len(windows))

    def choose(self, hidden: Tensor, fits: Sequence[bool]) -> None:
        """Add a token to each text that has not ended and `fits`.

        Args:
            hidden: of each text's last token, (rows, width).
        """
        logits = self.logits(hidden)
        growing = [i for i, text in enumerate(self.texts) if fits[i] and not text.ended]
        if self.sampling.temperature == 0:
            likeliest = logits.argmax(dim=-1).tolist()
            chosen = [likeliest[i] for i in growing]
        else:
            logits = logits.float().cpu().contiguous()
            chosen = [draw(logits[i], self.sampling, self.texts[i].generator) for i in growing]
        for i, token in zip(growing, chosen, strict=True):
            self.texts[i].add(token, self.stop)

    def logits(self, hidden: Tensor) -> Tensor:
        """(rows, vocabulary), of (rows, width)."""
        # The large matrix first: up to twice as fast for few rows on a CPU.
        return (self.model.head @ hidden.T).T
