"""Charts in the browser: runs can be switched on and off, and each chart is saved as shown."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from playwright.sync_api import Page

from tests.pages import Made
from tests.report.browser.conftest import Opens, page_of

CHARTS = ["loss", "gradient-norm", "learning-rate", "positions"]


def hidden(page: Page, chart: str) -> set[str]:
    """Runs that cannot be seen in a chart."""
    svg = page.locator(f"figure:has(code:text-is('figures/{chart}.svg')) svg.chart")
    runs = json.loads(svg.get_attribute("data-runs") or "")
    seen: dict[str, bool] = {}
    for part in svg.locator("[data-of]").all():
        visible = part.evaluate("(part) => getComputedStyle(part).visibility === 'visible'")
        for number in (part.get_attribute("data-of") or "").split():
            name = runs[int(number)][0]
            seen[name] = seen.get(name, False) or visible
    return {name for name, visible in seen.items() if not visible}


def chip(page: Page, of: str, name: str) -> None:
    page.get_by_role("group", name=of).get_by_role("button", name=name, exact=True).click()


def test_an_intervention_is_switched_off_and_on(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    for chart in CHARTS:
        assert hidden(page, chart) == set()
    chip(page, "Interventions shown", "weight-tying")
    for chart in ("loss", "gradient-norm", "positions"):
        assert hidden(page, chart) == {"weight-tying-42", "weight-tying-22"}
    # Other runs have the same schedule, so its line stays.
    assert hidden(page, "learning-rate") == set()
    chip(page, "Interventions shown", "schedule-learning-rate")
    assert hidden(page, "learning-rate") == {"schedule-learning-rate-42"}
    chip(page, "Interventions shown", "schedule-learning-rate")
    chip(page, "Interventions shown", "weight-tying")
    assert hidden(page, "loss") == set()


def test_a_single_run_is_switched_off(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    page.get_by_text("Single runs", exact=True).click()
    chip(page, "Runs shown", "weight-tying-22")
    group = page.get_by_role("group", name="Interventions shown")
    pressed = group.get_by_role("button", name="weight-tying").get_attribute("aria-pressed")
    assert pressed == "mixed"
    line = page.locator("#training svg g:has(> title:text-is('weight-tying-22'))")
    assert line.count() == 4, "two in the chart of losses, one in each of two more"
    assert [each.get_attribute("visibility") for each in line.all()] == ["hidden"] * 4
    strokes = page.locator("#training svg g[data-of='7'][visibility]:not(:has(title))").count()
    assert page.locator("#training [visibility]").count() == 4 + strokes


def test_all_goes_and_all_comes_back(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    chip(page, "Interventions shown", "None")
    for chart in CHARTS:
        assert len(hidden(page, chart)) == 8
    chip(page, "Interventions shown", "All")
    assert page.locator("#training [visibility]").count() == 0


def test_twins_are_dashed_in_the_panel_of_their_recipe(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    panel = page.locator("#training [data-of='0 1 2 3']", has=page.locator("title"))
    twin = panel.locator("g:has(> title:text-is('cloud-42')) path").first
    own = panel.locator("g:has(> title:text-is('baseline-42')) path").first
    dashes = [each.evaluate("(path) => getComputedStyle(path).strokeDasharray")
              for each in (twin, own)]  # fmt: skip
    assert dashes[0] != "none"
    assert dashes[1] == "none"


def test_a_chart_is_saved_as_the_file_beside_it(opens: Opens, judged: Made, tmp_path: Path) -> None:
    page = opens(page_of(judged))
    figures = page.locator("figure").all()
    assert len(figures) >= 6
    for figure in figures:
        with page.expect_download() as waiting:
            figure.get_by_role("button", name="as SVG").click()
        name = waiting.value.suggested_filename
        waiting.value.save_as(tmp_path / name)
        saved = (tmp_path / name).read_text(encoding="utf-8")
        file = (judged.results / "figures" / name).read_text(encoding="utf-8")
        assert ElementTree.canonicalize(saved) == ElementTree.canonicalize(file)
        assert "svg.chart{--ink:" in saved
