"""The page for everyone: assistive technology, dark screens, paper, phones, no script."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from noiseband.report.views.samples import samples
from tests.pages import Made
from tests.report.browser.conftest import Opens, page_of
from tests.report.browser.test_hostile_pages import everything_opened


def violations(page: Page) -> dict[str, Any]:
    """Serious and critical findings of axe-core, by rule."""
    found = Axe().run(page).response["violations"]
    return {
        each["id"]: [node["html"][:200] for node in each["nodes"][:3]]
        for each in found
        if each["impact"] in ("serious", "critical")
    }


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 375)])
def test_axe_finds_nothing_serious(opens: Opens, judged: Made, scheme: Any, width: int) -> None:
    page = opens(page_of(judged), color_scheme=scheme, viewport={"width": width, "height": 900})
    everything_opened(page)
    page.get_by_role("group", name="Interventions shown").get_by_role("button").nth(3).click()
    page.locator("td.number[data-value]").first.click()
    assert violations(page) == {}


def test_axe_would_find_something(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    page.evaluate("document.querySelector('.lede').style.color = '#ddd'")
    assert "color-contrast" in violations(page)


def test_dark_is_dark(opens: Opens, judged: Made) -> None:
    light, dark = (opens(page_of(judged), color_scheme=each) for each in ("light", "dark"))
    grounds = [each.evaluate("getComputedStyle(document.body).backgroundColor")
               for each in (light, dark)]  # fmt: skip
    assert grounds == ["rgb(251, 250, 246)", "rgb(23, 24, 27)"]


def test_paper_shows_what_screens_fold(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    everything_opened(page)
    assert not page.locator(".growth").is_visible()
    assert not page.locator("#chosen").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".growth").is_visible()
    assert page.locator("#chosen").is_visible()
    for left_out in (".switches", "#explorer", "#timeline", "caption .tool", ".top nav"):
        assert not page.locator(left_out).first.is_visible()
    assert len(page.pdf()) > 10_000


def test_without_script_everything_can_be_read(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged), java_script_enabled=False)
    assert page.locator(".tool, .toggle, .panel, #number").count() == 0
    drawn = samples(judged.results, "baseline-42")
    texts = page.locator(".growth .written").all_inner_texts()
    assert texts == [f"{sample.prompt}{sample.text}" for sample in drawn]
    assert page.locator("#chosen article").count() == 6
    expect(page.locator("#chosen article").first).to_be_visible()
