"""Generate texts from a model token by token, several at a time.

The bits of a text do not depend on the other texts in its batch. Another shape or another alignment
in memory would choose another kernel, with other last bits. Therefore the shape of every operation
follows from the number of rows, the text's own padded length and its number of new tokens, and rows
that are not needed are computed too. If rows cannot be aligned alike, texts grow one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseband.model.gpt import GPT, capped
from noiseband.model.layers import Linear
from noiseband.model.sampling import GREEDY, Sampling, draw
from noiseband.study.architecture import Model

BLOCK = 64
"""Prompts and the cache are padded to a multiple of this many tokens. All rows and heads of the
cache then have the same alignment, which also decides the kernels that matrix libraries choose."""


ROWS = 8
"""Texts grow together in multiples of this number. PyTorch's GELU works on vectors of 32 elements
and gives other bits for the elements left over at the end of a tensor. With 8 rows, and widths that
are multiples of 4, no elements are left over."""


ALIGNED = 4
"""Texts grow together only if the width of a head is a multiple of this many float32 numbers.

MKL's AVX2 kernels for float32 products add in another order if an operand or the result begins at
another address modulo 16 bytes. Its AVX-512 kernels were never seen to do so. Attention is one
product for each text and head, and these begin a multiple of a head's width apart. If that width is
a multiple of 4, all of them have the same alignment; otherwise a row's bits may depend on its place
in the batch. The same is true of a whole layer with a width below 12 that is not a multiple of 4,
and this condition excludes that case too."""


@dataclass
class Text:
    """One row: a prompt and its new tokens."""

    tokens: list[int]
    """The prompt and the new tokens."""
    limit: int
    """Number of tokens, including the prompt, at which the text ends."""
    generator: torch.Generator
    """Generator of the text's draws."""
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
    """Up to `new_tokens` token ids that follow each prompt; exactly that many without `stop`.

    Beyond the context limit the model sees the last `context` tokens. Their positions then change
    with every token, so nothing can be cached and each token costs a pass over the whole window.

    Args:
        prompts: token ids of each prompt; none may be empty.
        rows: number of texts that grow together, 1 or a multiple of `ROWS`. It affects the bits.
            If rows of the model cannot be aligned alike, 1 is used.
        seeds: seed of each text's own CPU generator; not used by greedy sampling.
        stop: token that ends a text; it is not returned.
        slide: if false, a text also ends when its context is full, with the token that the last
            position predicts.
        report: called after each batch with the number of finished texts.

    Raises:
        ValueError: `rows` is neither 1 nor a multiple of `ROWS`.
    """
    if rows != 1 and rows % ROWS:
        raise ValueError(f"rows={rows} is neither 1 nor a multiple of {ROWS}")
    if not alike(model.config):
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
    for group in _grouped(texts, context, rows):
        batch = _Batch(model, group, rows, sampling, stop)
        batch.grow(min(new_tokens, context))
        batch.slide()
        done += len(group)
        report(done)
    model.train(training)
    return [text.tokens[len(prompt) :] for text, prompt in zip(texts, prompts, strict=True)]


def alike(config: Model) -> bool:
    """Whether all rows of a batch have the same alignment and give the same bits: the widths of a
    head and of the feed-forward part are multiples of `ALIGNED`."""
    return config.head_width % ALIGNED == 0 and config.hidden % ALIGNED == 0


def for_few_rows(model: GPT) -> GPT:
    """The same model with its matrices stored as (in, out), which is faster for few rows on a CPU.

    It is up to twice as fast for 16 rows. Not for training, because the bits may change.
    """
    for part in model.trf_blocks.modules():
        if isinstance(part, Linear):
            part.weight.data = part.weight.data.T.contiguous().T
    return model


def _grouped(texts: Sequence[Text], context: int, rows: int) -> list[list[Text]]:
    """Groups of at most `rows` texts; all texts of a group have the same padded length."""
    by_length: dict[int, list[Text]] = {}
    for text in texts:
        by_length.setdefault(_padded(min(len(text.tokens), context)), []).append(text)
    return [
        group[begin : begin + rows]
        for _, group in sorted(by_length.items())
        for begin in range(0, len(group), rows)
    ]


def _padded(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _tensor(windows: Sequence[list[int]], length: int, device: torch.device) -> Tensor:
    """Token ids, (windows, length), padded on the right."""
    filled = [window + [0] * (length - len(window)) for window in windows]
    return torch.tensor(filled, device=device)


class _Batch:
    """Texts that grow together, with filler texts that complete the batch to `rows`."""

    def __init__(
        self, model: GPT, texts: list[Text], rows: int, sampling: Sampling, stop: int | None
    ) -> None:
        unwanted = [Text([0], 1, torch.Generator(), True) for _ in range(rows - len(texts))]
        self.model, self.texts, self.sampling, self.stop = model, texts + unwanted, sampling, stop
        self.context, self.device = model.config.context, model.tok_emb.weight.device

    def grow(self, most: int) -> None:
        """Add up to `most` tokens to each text, until it ends or is longer than the context.

        Prompts are padded on the right, where causal attention ignores the padding. The new tokens
        of all rows come after the padding, which is masked for them.
        """
        rows, device = len(self.texts), self.device
        windows = [text.tokens[-self.context :] for text in self.texts]
        padded = _padded(len(windows[0]))
        past = self.model.no_past(rows, _padded(padded + most))
        lengths = torch.tensor([len(window) for window in windows], device=device)
        places = torch.arange(padded, device=device)
        causal = torch.full((padded, padded), -math.inf, device=device).triu(1)
        # Padding beyond the context has no position of its own, so any position serves.
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
        """Continue the texts that are longer than the context, until each has ended."""
        context = self.context
        while not all(text.ended for text in self.texts):
            windows = [text.tokens[-context:] for text in self.texts]
            hidden = self.model.hidden(_tensor(windows, context, self.device))[:, -1]
            self.choose(hidden, [True] * len(windows))

    def choose(self, hidden: Tensor, fits: Sequence[bool]) -> None:
        """Add a token to each text that has not ended and for which `fits` is true.

        Args:
            hidden: hidden state of each text's last token, (rows, width).
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
        """The logits, (rows, vocabulary), of hidden states, (rows, width)."""
        # With the large matrix first, this is up to twice as fast for few rows on a CPU.
        logits = (self.model.head @ hidden.T).T
        return capped(logits, self.model.config.logit_softcap)
