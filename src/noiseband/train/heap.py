"""Keep the memory that a step frees for the next step."""

from __future__ import annotations

import torch

KEPT = 2**24
"""Bytes of the largest tensor whose memory is kept; twice as many bytes are kept in all."""


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors, instead of returning it to the system.

    Memory that was returned is requested again page by page, which takes a quarter of a small
    model's step in 16 bits. glibc keeps pieces as large as the largest one that was ever freed, up
    to 32 MiB, so one is freed here. It is never written, and so takes no memory. Limits in the
    environment (MALLOC_TRIM_THRESHOLD_) still hold, and other allocators are left as they are.
    """
    torch.empty(KEPT, dtype=torch.uint8)
