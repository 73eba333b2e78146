"""Whether a lower or a higher metric is better, from its name."""

from __future__ import annotations

import re

from noiseband.errors import UserError
from noiseband.stats.verdicts import Better

LOWER = {"loss", "losses", "perplexity", "ppl", "nll", "bpb", "bits", "error", "errors", "wer",
         "cer", "ms", "seconds", "time", "latency", "runtime", "memory", "nats"}  # fmt: skip
"""Words in the names of metrics of which less is better."""
HIGHER = {"acc", "accuracy", "f1", "bleu", "chrf", "rouge", "exact", "match", "em", "score",
          "throughput", "mfu", "reward", "auc", "pass"}  # fmt: skip
"""Words in the names of metrics of which more is better."""


def direction(metric: str, better: str | None) -> Better:
    """The direction that was given, or the one that the metric's name leaves no doubt about.

    Raises UserError if there is doubt, or if `better` is neither `lower` nor `higher`.
    """
    if better is not None:
        if better not in ("lower", "higher"):
            raise UserError(f"--better {better}: use lower or higher")
        return "lower" if better == "lower" else "higher"
    words = set(re.split(r"[^a-z0-9]+", metric.lower()))
    lower, higher = bool(words & LOWER), bool(words & HIGHER)
    if lower == higher:
        raise UserError(f"--better is missing: say whether a lower or a higher {metric} is better")
    return "lower" if lower else "higher"
