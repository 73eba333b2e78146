"""Pages in Debian's Chromium: one process for all of them, and every error is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, Request

from noiseband.io.files import read_jsonl, write_jsonl
from tests.fake_runs import BASELINES, NO_DROPOUT, SCHEDULE, FakeRun
from tests.pages import Made, make
from tests.report.chromium import CHROMIUM, chromium
from tests.small_study import write_study

Opens = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        skip = pytest.mark.skip(reason="no chromium on the PATH: apt-get install chromium")
        for item in items:
            if "report/browser" in item.nodeid:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as process:
        yield process


class Watch:
    """The errors of a page."""

    def __init__(self, page: Page, url: str) -> None:
        self.url = url
        self.seen: list[str] = []
        page.on("console", self.console)
        page.on("pageerror", self.error)
        page.on("dialog", self.dialog)
        page.on("request", self.request)

    def console(self, message: ConsoleMessage) -> None:
        self.seen.append(f"console: {message.text}")

    def error(self, error: Error) -> None:
        self.seen.append(f"error: {error}")

    def dialog(self, dialog: Dialog) -> None:
        self.seen.append("a dialog")
        dialog.dismiss()

    def request(self, request: Request) -> None:
        # What the page itself made is saved from a blob of its own.
        if request.url.partition("#")[0] != self.url and not request.url.startswith("blob:"):
            self.seen.append(f"asked for {request.url}")


@pytest.fixture
def opens(browser: Browser) -> Iterator[Opens]:
    """Opens a page. In the end none may have logged, failed, asked anything of the network or
    run what was written in it."""
    pages: list[tuple[Page, Watch]] = []

    def open_page(path: Path, address: str = "", **settings: Any) -> Page:
        usual = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        page = browser.new_context(**(usual | settings)).new_page()
        page.set_default_timeout(10_000)
        url = path.resolve().as_uri()
        pages.append((page, Watch(page, url)))
        page.goto(url + address)
        return page

    yield open_page
    titles = [page.title() for page, _ in pages]
    for page, _ in pages:
        page.context.close()
    assert [found for _, watch in pages for found in watch.seen] == []
    assert "owned" not in titles


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A study with twins, two protocols, two rounds and one score that the judge did not give."""
    results = tmp_path_factory.mktemp("judged") / "results"
    runs = [
        *BASELINES[:3],
        FakeRun("cloud-42", 4.8634, difference={"batch.microbatch": [4, 8]}),
        FakeRun("remove-dropout-42", 4.781, "remove-dropout", ["remove-dropout"],
                difference=NO_DROPOUT),
        FakeRun("schedule-learning-rate-42", 4.702, "schedule-learning-rate",
                ["schedule-learning-rate"], difference=SCHEDULE),
        FakeRun("weight-tying-42", 5.412, "weight-tying", ["weight-tying"],
                difference={"model.tied": [False, True]}),
        FakeRun("weight-tying-22", 5.404, "weight-tying", ["weight-tying"], (22, 22),
                {"model.tied": [False, True]}),
        FakeRun("baseline-42-again", 4.861234, repeat_of="baseline-42"),
    ]  # fmt: skip
    names = [run.name for run in runs if run.repeat_of is None]
    params = write_study(
        results,
        runs,
        models=[f"{name}/{protocol}/42" for protocol in ("alpaca", "chat") for name in names],
        rounds=2,
        samples=[f"words of sample {k}" for k in range(11)],
    )
    file = results / "judge" / "chat" / "round-2.jsonl"
    lines = read_jsonl(file)
    lines[2]["scores"]["cloud-42/42"] = {"score": None, "reason": "cannot be parsed"}
    lines[3]["scores"]["cloud-42/42"] = {"score": 99.5, "reason": "a perfect answer"}
    write_jsonl(file, lines)
    return make(results, params)


def page_of(made: Made) -> Path:
    return made.results / "report.html"
