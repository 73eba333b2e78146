"""Matplotlib figures as SVG that is small, byte-equal between runs and safe to embed in any page.

Matplotlib's output is tidied: numbers are rounded to hundredths of a pixel; colours become CSS
variables with the colour as fallback; text stays text in the reader's font (`svg.fonttype: none`),
which is smaller and sharper than outlines and can be searched and read aloud; and nothing is global
(no style that reaches the rest of the page, no id that another chart might use).
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
    """Use these settings of matplotlib while one chart is drawn, instead of the user's."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS | {"svg.hashsalt": f"noiseband {name}"})
        yield


class Chart(Figure):
    """A figure without pyplot and its global state, which notebooks show as SVG."""

    def _repr_svg_(self) -> str:
        with drawing("chart"):
            return render(self, "chart", "Effect of each change with its interval")


def blank(width: float, height: float) -> Figure:
    """A transparent figure of this size in pixels."""
    figure = Chart(figsize=(width / 72, height / 72), dpi=72)
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
    """Give an artist a tooltip, and mark it with the runs that it shows."""
    artist.set_gid(f"{_TIP}{' '.join(map(str, of))}:{plain(text)}")


def shows(artist: Artist, of: Iterable[int]) -> None:
    """Mark an artist with the runs that it shows; it can be hidden when all of them are."""
    tip(artist, "", of)


def render(figure: Figure, name: str, label: str, runs: Sequence[tuple[str, str]] = ()) -> str:
    """The figure as SVG. `label` describes it in words.

    `runs` are the (run, intervention) pairs that the numbers in `tip` and `shows` refer to; the SVG
    has them in `data-runs`, and each artist's numbers in `data-of`.
    """
    raw = io.StringIO()
    figure.savefig(raw, format="svg")
    body = raw.getvalue()
    body = body[body.index(">", body.index("<svg")) + 1 :]
    # The metadata contain a date, and the style would apply to the whole page.
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
    """Tidy one tag of matplotlib's output. Text between tags is not changed."""
    # Matplotlib puts single quotes around a value that contains double quotes.
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
