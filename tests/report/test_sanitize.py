"""Text that models wrote is data: it has no effect, and all of it is visible."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from noiseband.report.sanitize import plain, shown
from tests.pages import Made


class Tags(HTMLParser):
    """Every tag and attribute of a page, as a browser would read them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)


def test_no_script_but_our_own(attacked: Made) -> None:
    tags = Tags(attacked.page)
    # The page's own script, and two with data of a type that browsers do not run.
    assert tags.names.count("script") == 3
    assert [value for name, value in tags.attributes if name == "type"] == [
        "application/octet-stream"
    ] * 2
    assert "img" not in tags.names
    assert not [name for name, _ in tags.attributes if name.startswith("on")]


def test_no_tag_is_closed_by_what_was_written(attacked: Made) -> None:
    tags = Tags(attacked.page)
    assert (tags.open, tags.unbalanced) == ([], [])


def test_no_control_reaches_the_page(attacked: Made) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", attacked.page)
    assert '<span class="control">U+202E</span>' in attacked.page
    assert '<span class="control">U+D800</span>' in attacked.page


def test_what_was_written_is_shown(attacked: Made) -> None:
    assert "&lt;script&gt;document.title=&#39;owned&#39;&lt;/script&gt;" in attacked.page
    assert "{{ 7 * 7 }}" in attacked.page


@pytest.mark.parametrize("name", ["effects", "noise", "loss", "gradient-norm", "learning-rate"])
def test_charts_stay_well_formed(attacked: Made, name: str) -> None:
    text = (attacked.results / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
    assert tags <= {"svg", "style", "g", "defs", "path", "use", "text", "title", "clipPath", "rect"}
    assert "\u202e" not in text


def test_a_name_is_not_read_as_mathematics(attacked: Made) -> None:
    effects = (attacked.results / "figures" / "effects.svg").read_text(encoding="utf-8")
    assert ">$x^2$\"'&gt;&lt;img src=x onerror=" in effects


def test_languages_keep_what_they_need() -> None:
    text = "שלום\u200f ‏नमस्ते क्‍ष 👩‍🚀 café\ttab\nline"
    assert str(shown(text)) == text


def test_shown_escapes_around_controls() -> None:
    assert str(shown("<b>\x07</b>")) == '&lt;b&gt;<span class="control">U+0007</span>&lt;/b&gt;'
    assert plain("a\u202eb\nc") == "a[U+202E]b c"
