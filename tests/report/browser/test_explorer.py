"""The explorer: its lists equal the judge's files, and each view has a link."""

from __future__ import annotations

from statistics import fmean
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, expect

from noiseband.io.files import read_jsonl
from tests.pages import Made
from tests.report.browser.conftest import Opens, page_of
from tests.small_study import QUESTIONS

TWINS = ("baseline-42", "cloud-42")


def means(made: Made, protocol: str) -> dict[str, list[float | None]]:
    """Each run's score for each question, over the rounds that have one."""
    found: dict[str, list[float | None]] = {}
    rounds = [
        read_jsonl(made.results / "judge" / protocol / f"round-{number}.jsonl") for number in (1, 2)
    ]
    for lines in zip(*rounds, strict=True):
        for model in lines[0]["scores"]:
            given = [line["scores"][model]["score"] for line in lines]
            known = [score for score in given if score is not None]
            found.setdefault(model.split("/")[0], []).append(fmean(known) if known else None)
    return found


@pytest.fixture
def page(opens: Opens, judged: Made) -> Page:
    page = opens(page_of(judged))
    page.locator("#explorer").scroll_into_view_if_needed()
    page.get_by_role("combobox", name="Protocol").wait_for()
    return page


def cards(page: Page) -> dict[str, str]:
    """The scores of the answers side by side, by run."""
    both = page.locator("#explorer .by").all()
    return {by.locator("bdi").inner_text(): by.locator(".score").inner_text() for by in both}


def listed(page: Page) -> list[int]:
    """Numbers of the questions that can be chosen, from 0."""
    options = page.get_by_label("Question", exact=True).locator("option").all()
    return [int(option.get_attribute("value") or "") - 1 for option in options]


def choose(page: Page, *runs: str) -> None:
    """Show exactly these runs side by side."""
    models = page.get_by_role("group", name="Models side by side")
    for name in runs:
        made = models.get_by_role("button", name=name, exact=True)
        if made.get_attribute("aria-pressed") == "false":
            made.click()
    for pressed in models.locator("[aria-pressed=true]").all_inner_texts():
        if pressed not in runs:
            models.get_by_role("button", name=pressed, exact=True).click()


def test_answers_stand_side_by_side_with_scores_and_reasons(page: Page, judged: Made) -> None:
    page.get_by_role("combobox", name="Protocol").select_option("chat")
    page.get_by_label("Question", exact=True).select_option("4")
    choose(page, "cloud-42", "weight-tying-42")
    expected = means(judged, "chat")
    assert cards(page) == {
        name: f"{expected[name][3]:.1f}" for name in ("cloud-42", "weight-tying-42")
    }
    article = page.locator("#explorer article")
    assert QUESTIONS[3][0] in article.inner_text()
    assert QUESTIONS[3][2] in article.inner_text()
    for run in ("cloud-42", "weight-tying-42"):
        file = judged.results / "runs" / run / "ift" / "chat" / "42" / "answers.jsonl"
        answer = read_jsonl(file)[3]["answer"] or "(an empty answer)"
        card = article.locator("li:has(> .by)", has_text=run)
        assert card.locator(".written").inner_text() == answer
    card = article.locator("li:has(> .by)", has_text="cloud-42")
    card.get_by_text("Why").click()
    assert "Round 2: 99.5 a perfect answer" in card.inner_text()


def test_a_missing_score_is_no_zero(page: Page, judged: Made) -> None:
    page.get_by_role("combobox", name="Protocol").select_option("chat")
    choose(page, "cloud-42", "baseline-22")
    page.get_by_label("Question", exact=True).select_option("3")
    first = read_jsonl(judged.results / "judge" / "chat" / "round-1.jsonl")[2]
    assert cards(page)["cloud-42"] == f"{first['scores']['cloud-42/42']['score']:.1f}"
    card = page.locator("#explorer li:has(> .by)", has_text="cloud-42")
    card.get_by_text("Why").click()
    assert "Round 2: no score cannot be parsed" in card.inner_text()


def test_where_models_disagree_most_comes_first(page: Page, judged: Made) -> None:
    runs = ("baseline-22", "weight-tying-42", "remove-dropout-42", "cloud-42")
    page.get_by_role("combobox", name="Protocol").select_option("chat")
    choose(page, *runs)
    page.get_by_label("Questions", exact=True).select_option("where the models disagree most")
    score = means(judged, "chat")

    def spread(question: int) -> float:
        known = [value for run in runs if (value := score[run][question]) is not None]
        return max(known) - min(known)

    assert len({spread(question) for question in range(4)}) > 1
    assert listed(page) == sorted(range(4), key=lambda question: (-spread(question), question))


def test_where_twins_disagree_most_shows_the_twins(page: Page, judged: Made) -> None:
    page.get_by_role("combobox", name="Protocol").select_option("chat")
    page.get_by_label("Questions", exact=True).select_option("where the twins disagree most")
    score = means(judged, "chat")
    gaps = [abs((score[TWINS[0]][q] or 0) - (score[TWINS[1]][q] or 0)) for q in range(4)]
    assert listed(page) == sorted(range(4), key=lambda question: (-gaps[question], question))
    assert set(cards(page)) == set(TWINS)


def test_scores_narrow_questions_and_answers(page: Page, judged: Made) -> None:
    page.get_by_role("combobox", name="Protocol").select_option("chat")
    choose(page, "cloud-42", "weight-tying-42")
    page.get_by_role("spinbutton", name="Scores from").fill("58")
    score = means(judged, "chat")
    wanted = [
        question
        for question in range(4)
        if any((score[run][question] or 0) >= 58 for run in ("cloud-42", "weight-tying-42"))
    ]
    assert 0 < len(wanted) < 4
    assert listed(page) == wanted
    assert all(float(value) >= 58 for value in cards(page).values())
    page.get_by_role("spinbutton", name="Scores from").fill("99.9")
    expect(page.get_by_text("No question has such an answer")).to_be_visible()
    expect(page.get_by_text("0 of 4 questions")).to_be_visible()


def test_words_are_found_in_questions_and_answers(page: Page) -> None:
    page.get_by_role("searchbox", name="Search").fill("CURRENCY is used")
    assert listed(page) == [1]
    # In the text of one of the models side by side.
    choose(page, "baseline-42")
    page.get_by_role("searchbox", name="Search").fill("king was the yen")
    assert listed(page) == [3]
    page.get_by_role("searchbox", name="Search").fill("nowhere written")
    assert listed(page) == []


def test_previous_and_next_walk_the_list(page: Page) -> None:
    name = page.locator("#explorer article")
    page.get_by_role("button", name="Next").click()
    expect(name).to_have_attribute("aria-label", "Question 2")
    page.get_by_role("button", name="Previous").click()
    expect(name).to_have_attribute("aria-label", "Question 1")
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()


def test_a_view_is_a_link_and_back_goes_back(page: Page, opens: Opens, judged: Made) -> None:
    page.get_by_role("combobox", name="Protocol").select_option("chat")
    choose(page, "cloud-42", "weight-tying-42")
    page.get_by_role("searchbox", name="Search").fill("country")
    page.get_by_label("Question", exact=True).select_option("3")
    address = page.evaluate("location.hash")
    assert parse_qs(address.removeprefix("#explorer?")) == {
        "protocol": ["chat"],
        "question": ["3"],
        "search": ["country"],
        "model": ["cloud-42/42", "weight-tying-42/42"],
    }
    assert page.get_by_role("link", name="Link to this view").get_attribute("href") == address
    before = page.locator("#explorer article").inner_text()
    again = opens(page_of(judged), address)
    expect(again.locator("#explorer article")).to_have_text(
        page.locator("#explorer article").text_content() or ""
    )
    assert again.locator("#explorer article").inner_text() == before
    assert again.locator("#explorer").evaluate("(it) => it.getBoundingClientRect().top < 900")

    page.get_by_role("combobox", name="Protocol").select_option("alpaca")
    page.go_back()
    expect(page.get_by_role("combobox", name="Protocol")).to_have_value("chat")
    assert page.locator("#explorer article").inner_text() == before
    page.go_forward()
    expect(page.get_by_role("combobox", name="Protocol")).to_have_value("alpaca")


def test_anchors_of_other_sections_still_work(page: Page) -> None:
    page.get_by_role("combobox", name="Protocol").select_option("chat")
    page.get_by_role("link", name="Results").click()
    assert page.evaluate("location.hash") == "#results"
    expect(page.locator("#results-title")).to_be_in_viewport()
    assert page.get_by_role("combobox", name="Protocol").input_value() == "chat"
