"""The coherence timeline: a slider over checkpoints, with another run next to the baseline."""

from __future__ import annotations

from noiseband.report.views.samples import samples
from tests.pages import Made
from tests.report.browser.conftest import Opens, page_of


def test_the_slider_goes_through_the_checkpoints(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    page.locator("#timeline").scroll_into_view_if_needed()
    slider = page.get_by_role("slider")
    text = page.locator("#timeline .written")
    drawn = samples(judged.results, "baseline-42")
    assert len(drawn) == 11
    slider.press("Home")
    for sample in drawn:
        assert text.all_inner_texts() == [f"{sample.prompt}{sample.text}"]
        assert slider.get_attribute("aria-valuetext") == f"step {sample.step:,}"
        slider.press("ArrowRight")
    assert slider.input_value() == "10"
    assert not page.locator(".growth").is_visible()


def test_another_run_stands_beside_the_baseline(opens: Opens, judged: Made) -> None:
    page = opens(page_of(judged))
    page.locator("#timeline").scroll_into_view_if_needed()
    page.get_by_role("combobox", name="beside it").select_option("weight-tying-22")
    page.get_by_role("slider").press("Home")
    names = page.locator("#timeline .by bdi").all_inner_texts()
    assert names == ["baseline-42", "weight-tying-22"]
    expected = [samples(judged.results, name)[0].text for name in names]
    texts = page.locator("#timeline .written").all_inner_texts()
    assert [text.removeprefix("Every effort moves you") for text in texts] == expected
