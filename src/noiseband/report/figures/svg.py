"""Matplotlib figures as SVG that is small, equal to the byte, and at home on any page.

Matplotlib lays out; what it writes is then tidied: numbers to hundredths of a pixel, colours as CSS
variables with themselves as fallback, text as text in the reader's own font (`svg.fonttype: none`:
smaller and sharper than outlines, and it can be searched and read aloud), nothing global (no style
that would reach the page around it, no id that another chart might use too).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from markupsafe import escape
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noiseband.report.figures.palette import LIGHT, variables
from noiseband.report.sanitize import plain

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a run may be called $x$
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine lays out alike
    "font.size": 12,
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["rule"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.titlesize": 12,
    "axes.titlecolor": LIGHT["ink"],
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "grid.color": LIGHT["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": LIGHT["rule"],
    "ytick.color": LIGHT["rule"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["muted"],
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.solid_capstyle": "round",
}

_TIP = "tip:"
_TAG = re.compile(r"<[^>]+>")
_NUMBER = re.compile(r"-?\d+\.\d+")
_COORDINATES = re.compile(r' (d|x|y|width|height|transform)="([^"]*)"')
_VARIABLES = {value: f"var(--{name}, {value})" for name, value in LIGHT.items()}


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """Matplotlib's settings while one chart is made, whatever the user's own say."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS | {"svg.hashsalt": f"noiseband {name}"})
        yield


def blank(width: float, height: float) -> Figure:
    """A transparent figure of that many pixels, without pyplot and its global state."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    figure.patch.set_visible(False)
    return figure


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in pixels, counted from the figure's top left."""
    whole_width, whole_height = figure.get_size_inches() * 72
    bottom = whole_height - top - height
    axes = figure.add_axes(
        (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    )
    axes.patch.set_visible(False)
    return axes


def tip(artist: Artist, text: str, of: Iterable[int] = ()) -> None:
    """Text that appears where the mouse rests on an artist, which shows these runs."""
    artist.set_gid(f"{_TIP}{' '.join(map(str, of))}:{plain(text)}")


def shows(artist: Artist, of: Iterable[int]) -> None:
    """Mark an artist with the runs that it shows: with the last of them it can be hidden."""
    tip(artist, "", of)


def render(figure: Figure, name: str, label: str, runs: Sequence[tuple[str, str]] = ()) -> str:
    """The figure as SVG. `label` says in words what it shows.

    `runs` are the (run, intervention) that the numbers of `tip` and `shows` count; the SVG carries
    them as `data-runs`, and each artist's numbers as `data-of`.
    """
    raw = io.StringIO()
    figure.savefig(raw, format="svg")
    body = raw.getvalue()
    body = body[body.index(">", body.index("<svg")) + 1 :]
    # The metadata hold a date, the style would reach all of the page around the chart.
    body = re.sub(r"<metadata>.*?</metadata>|<style .*?</style>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', body))
    body = _TAG.sub(lambda tag: _tidy(tag.group(), name, used), body)
    body = re.sub(r"\s*\n\s*", "\n", body).replace("<defs>\n</defs>\n", "")
    width, height = (round(inches * 72) for inches in figure.get_size_inches())
    names = f' data-runs="{escape(json.dumps(runs))}"' if runs else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart"'
        f' role="img" aria-label="{escape(label)}"{names}'
        f' width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="{FONT}"'
        f' stroke-linejoin="round">\n<style>{variables("svg.chart")}</style>{body}'
    )


def _tidy(tag: str, name: str, used: set[str]) -> str:
    """One tag of matplotlib's output. Text between tags is not touched."""
    # Matplotlib takes single quotes around a value that holds double ones.
    marked = re.match(rf"""<(\w+) id=(["']){_TIP}([\d ]*):(.*?)\2""", tag)
    if marked:
        of = f' data-of="{marked[3]}"' if marked[3] else ""
        title = f"<title>{marked[4]}</title>" if marked[4] else ""
        return f"<{marked[1]}{of}{tag[marked.end() :]}{title}"
    tag = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", tag)
    tag = re.sub(r'xlink:href="#', f'href="#{name}-', tag)
    tag = tag.replace("url(#", f"url(#{name}-")
    tag = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    tag = _COORDINATES.sub(_rounded, tag)
    return re.sub(r"#[0-9a-f]{6}\b", lambda m: _VARIABLES.get(m[0], m[0]), tag)


def _rounded(attribute: re.Match[str]) -> str:
    value = _NUMBER.sub(lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), attribute[2])
    value = re.sub(r"-0(?![.\d])", "0", value)
    if attribute[1] == "d":
        value = re.sub(r"\s*([A-Za-z])\s*", r"\1", value).strip()
    return f' {attribute[1]}="{value}"'
