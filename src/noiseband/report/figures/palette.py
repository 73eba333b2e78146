"""Colours and shapes; each has one meaning, in every chart and on the page.

Blue and vermilion differ for every common kind of colour blindness, and each verdict also has a
shape and a word. Charts name colours as CSS variables, so that a chart follows its page from light
to dark.
"""

from __future__ import annotations

from typing import Any

from noiseband.analysis.rows import Call
from noiseband.study.runs import BASELINE

LIGHT = {
    "ink": "#21242a",
    "muted": "#646259",
    "rule": "#dcd9d0",
    "band": "#e6e2d8",
    "paper": "#fbfaf6",
    "panel": "#ffffff",
    "helps": "#0a66b0",
    "hurts": "#b4430a",
    "within-noise": "#6d6a61",
    "no-difference-that-matters": "#2c7a55",
    "not-enough-runs": "#7c4f9e",
    "identical": "#5b6b73",
}
DARK = {
    "ink": "#e9e7e1",
    "muted": "#a29e94",
    "rule": "#3a3b40",
    "band": "#34353a",
    "paper": "#17181b",
    "panel": "#1e1f23",
    "helps": "#6fb4f5",
    "hurts": "#f7935a",
    "within-noise": "#a8a49a",
    "no-difference-that-matters": "#6fc79b",
    "not-enough-runs": "#c7a2e8",
    "identical": "#9fb0b8",
}

PRETRAINED = "pretrained"
"""Stands for the verdict of a model that others trained."""

SHAPES = {
    BASELINE: "D",
    PRETRAINED: "*",
    Call.HELPS: "^",
    Call.HURTS: "v",
    Call.NO_DIFFERENCE: "d",
    Call.WITHIN_NOISE: "o",
    Call.NOT_ENOUGH_RUNS: "s",
    Call.IDENTICAL: "_",
}
"""Matplotlib's markers; a triangle points up for a change that helps, whichever direction of the
metric is better."""

GLYPHS = {
    Call.HELPS: "M1 10.5h10L6 1.5z",
    Call.HURTS: "M1 1.5h10l-5 9z",
    Call.NO_DIFFERENCE: "M6 .8 9.6 6 6 11.2 2.4 6z",
    Call.WITHIN_NOISE: "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 0 0 0-9z",
    Call.NOT_ENOUGH_RUNS: "M2.2 2.2h7.6v7.6H2.2z",
    Call.IDENTICAL: "M1.5 3h9v2h-9zM1.5 7h9v2h-9z",
}
"""The same shapes as SVG paths in a box of 12 by 12."""


def slug(verdict: str) -> str:
    """The name of a verdict's colour."""
    return verdict.replace(" ", "-")


def colour(verdict: str) -> str:
    """The colour of a verdict, the baseline or pretrained models; `svg` makes it a CSS variable."""
    others = {BASELINE: "ink", PRETRAINED: "muted"}
    return LIGHT[others.get(verdict, slug(verdict))]


def marker(verdict: str) -> dict[str, Any]:
    """Matplotlib's arguments for a verdict's shape; the shape for too few runs is hollow."""
    hollow = verdict == Call.NOT_ENOUGH_RUNS
    return {
        "marker": SHAPES[verdict],
        "color": colour(verdict),
        "markerfacecolor": LIGHT["paper"] if hollow else colour(verdict),
        "linestyle": "none",
        "clip_on": False,
    }


def variables(selector: str) -> str:
    """CSS that defines the palette on a selector, with dark colours on a dark screen."""
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in colours.items())
        for colours in (LIGHT, DARK)
    )
    return (
        f"{selector}{{{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
    )
