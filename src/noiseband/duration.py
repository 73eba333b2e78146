"""Durations in a readable form."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a duration as text, such as `25 s`, `12 min 05 s` or `3 h 24 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02d} min"
