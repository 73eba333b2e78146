"""Tables in the browser: they can be sorted and downloaded, and each number has its source."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.io.tables import read_rows
from tests.pages import Made
from tests.report import hostile_text as hostile
from tests.report.browser.conftest import Opens, page_of
from tests.small_study import sha


def caption(page: Page, name: str) -> Locator:
    return page.locator(f"caption:is(#{name}-caption, #{name})")


def table(page: Page, name: str) -> Locator:
    return page.locator("table", has=caption(page, name))


def downloaded(page: Page, name: str, out: Path) -> list[dict[str, str]]:
    """The rows of the CSV that a table's button saves."""
    with page.expect_download() as waiting:
        caption(page, name).get_by_role("button", name="as CSV").click()
    assert waiting.value.suggested_filename == f"{name}.csv"
    waiting.value.save_as(out / "saved.csv")
    return list(csv.DictReader(io.StringIO((out / "saved.csv").read_bytes().decode())))


def test_a_click_on_a_head_sorts_and_another_turns(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    runs = read_rows(judged.results / "tables" / "runs.csv", RunRow)
    expected = sorted(run.value or 0.0 for run in runs)
    head = table(page, "runs").get_by_role("button", name="Test loss")

    def losses() -> list[float]:
        cells = table(page, "runs").locator("tbody td:nth-child(3)")
        return [float(cell.get_attribute("data-value") or "") for cell in cells.all()]

    head.click()
    assert losses() == expected
    head.click()
    assert losses() == expected[::-1]
    assert table(page, "runs").locator("th[aria-sort]").all_inner_texts() == ["Test loss"]


def test_a_table_downloads_with_its_full_values(opens: Opens, judged: Made, tmp_path: Path) -> None:
    page = opens(page_of(judged))
    rows = downloaded(page, "runs", tmp_path)
    runs = read_rows(judged.results / "tables" / "runs.csv", RunRow)
    assert [float(row["Test loss"]) for row in rows] == [run.value for run in runs]
    assert [float(row["Improvement"]) for row in rows] == [run.improvement for run in runs]
    assert rows[-1]["Run"] == "baseline-42-again (repeat of baseline-42)"
    verdicts = read_rows(judged.results / "tables" / "verdicts.csv", VerdictRow)
    rows = downloaded(page, "verdicts", tmp_path)
    assert [
        (row["Intervention"], float(row["95% interval, low"]), float(row["95% interval, high"]))
        for row in rows
    ] == [(row.intervention, row.low, row.high) for row in verdicts]


def test_a_cell_over_several_rows_is_in_each_of_them(
    opens: Opens, judged: Made, tmp_path: Path
) -> None:
    rows = downloaded(opens(page_of(judged)), "recipes", tmp_path)
    keys = [row["Key"] for row in rows if row["Intervention"].startswith("schedule-learning-rate")]
    assert sorted(keys) == ["optimizer.learning_rate", "schedule.kind"]
    assert {row["Its own"] for row in rows if row["Key"] == "model.tied"} == {"true"}


def test_a_formula_is_text_in_a_spreadsheet(opens: Opens, attacked: Made, tmp_path: Path) -> None:
    rows = downloaded(opens(page_of(attacked)), "runs", tmp_path)
    assert "'" + hostile.FORMULA in [row["Run"] for row in rows]
    assert not any(row["Run"].startswith(("=", "+", "-", "@")) for row in rows)


def test_every_table_is_a_file_of_its_rows(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    tables = page.locator("table").all()
    assert len(tables) == page.get_by_role("button", name="as CSV", include_hidden=True).count()
    for each in tables:
        rows = list(csv.reader(io.StringIO(each.evaluate("csv"))))
        assert len(rows) == each.locator("tr").count() > 1
        assert len({len(row) for row in rows}) == 1
        assert not any("↕" in cell for row in rows for cell in row)
    # A number with thousands is a number in the file.
    splits = page.locator("table", has=page.locator("#splits-1"))
    assert list(csv.reader(io.StringIO(splits.evaluate("csv"))))[1][1:] == [
        "10500", "1627500", "5932500",
    ]  # fmt: skip


def test_a_number_tells_its_full_value_file_and_digest(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged), reduced_motion="no-preference")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell = table(page, "runs").locator("tr", has_text="remove-dropout-42").locator("td").nth(2)
    assert cell.get_attribute("data-value") == "0.08023399999999992"
    cell.scroll_into_view_if_needed()
    page.wait_for_timeout(600)  # the page scrolls smoothly
    before = page.evaluate("scrollY")
    cell.click()
    card = page.get_by_role("dialog")
    expect(card.get_by_role("button")).to_be_focused()
    expect(card).to_be_in_viewport(ratio=1)
    assert page.evaluate("scrollY") == before
    assert card.locator("dd").all_inner_texts() == [
        "remove-dropout-42",
        "Improvement",
        "0.08023399999999992",
        "tables/runs.csv",
        sha("runs"),
    ]
    card.get_by_role("button", name="Copy").click()
    card.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "0.08023399999999992"
    page.keyboard.press("Escape")
    assert not card.is_visible()


def test_numbers_are_reached_by_keyboard_with_one_stop_a_table(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    assert page.locator("td[tabindex]").count() <= page.locator("table").count()
    caption(page, "verdicts").get_by_role("button").focus()
    for _ in table(page, "verdicts").locator("thead th").all():
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    keys = ["ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"]
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    verdicts = read_rows(judged.results / "tables" / "verdicts.csv", VerdictRow)
    told = page.get_by_role("dialog").locator("dd").all_inner_texts()
    row = verdicts[1]
    assert told[:4] == [row.intervention, "95% interval", str(row.low), str(row.high)]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "TD"
    assert table(page, "verdicts").locator("td[tabindex]").count() == 1
