"""Hostile text in a real browser: nothing runs, all of it is visible, and the layout is intact."""

from __future__ import annotations

import re
from html import unescape

import pytest
from playwright.sync_api import Page

from noiseband.report.sanitize import plain, shown
from tests.pages import Made
from tests.report import hostile_text as hostile
from tests.report.browser.conftest import Opens, page_of

# `opens` checks that no page logs, uses the network, shows a dialog or has its title changed.


def everything_opened(page: Page) -> None:
    """Open everything that the script makes only on demand."""
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    page.locator("#timeline").scroll_into_view_if_needed()
    page.get_by_role("slider").wait_for()
    page.locator("#explorer").scroll_into_view_if_needed()
    page.get_by_role("combobox", name="Protocol").wait_for()
    while (off := page.locator("#explorer [aria-pressed=false]")).count():
        off.first.click()
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")


def test_nothing_that_was_written_runs(opens: Opens, attacked: Made) -> None:
    page = opens(page_of(attacked))
    everything_opened(page)
    for number in range(len(hostile.ALL)):
        page.get_by_label("Question", exact=True).select_option(str(number + 1))
    for moment in range(int(page.get_by_role("slider").get_attribute("max") or "") + 1):
        page.get_by_role("slider").fill(str(moment))
    page.locator("td.number[data-value]").first.click()
    assert page.locator("img, iframe, object, embed, link, main :not(svg) > style").count() == 0
    assert page.locator("script").count() == 3
    assert page.evaluate("document.querySelectorAll('[onerror],[onload],[onclick]').length") == 0


def test_the_explorer_shows_every_character_that_was_written(opens: Opens, attacked: Made) -> None:
    page = opens(page_of(attacked))
    everything_opened(page)
    for number, text in enumerate(hostile.ALL):
        page.get_by_label("Question", exact=True).select_option(str(number + 1))
        expected = unescape(re.sub("<[^>]*>", "", str(shown(text))))
        asked = page.locator("#explorer .asked").text_content()
        assert asked == f"{expected} {expected}"
        answers = page.locator("#explorer .cards .written").all_text_contents()
        assert expected in answers


def test_script_and_templates_mark_the_same_characters(opens: Opens, attacked: Made) -> None:
    page = opens(page_of(attacked))
    marked = page.evaluate(
        "Array.from({length: 0x10000}, (_, n) => n)"
        ".filter((n) => plain(`a${String.fromCharCode(n)}b`).includes('['))"
    )
    ours = [n for n in range(0x10000) if "[" in plain(f"a{chr(n)}b")]
    assert marked == ours
    assert page.evaluate("plain('\\u{1F600}')") == "\U0001f600"


@pytest.mark.parametrize("width", [320, 375, 1280])
@pytest.mark.parametrize("study", ["judged", "attacked"])
def test_the_page_is_no_wider_than_the_window(
    opens: Opens, request: pytest.FixtureRequest, study: str, width: int
) -> None:
    made = request.getfixturevalue(study)
    page = opens(page_of(made), viewport={"width": width, "height": 800})
    everything_opened(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.body.scrollWidth") <= width
    # No hostile text closed an element of the page: the footer is still a child of the body.
    assert page.locator("body > footer").count() == 1
