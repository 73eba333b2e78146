"""The picture of a report: `python -m tests.report.picture results/report.html docs/report.png`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.report.chromium import CHROMIUM, chromium

WIDTH, HEIGHT = 1280, 880


def take_picture(page: Path, out: Path) -> None:
    """Write the first screen of a page as PNG, in light colours."""
    with chromium() as browser:
        view = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", device_scale_factor=1
        )
        view.goto(page.resolve().as_uri())
        view.screenshot(path=out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="the report")
    parser.add_argument("out", type=Path, help="the PNG to write")
    given = parser.parse_args()
    if not given.page.is_file():
        print(
            f"{given.page} is not there yet; make it: noiseband run {given.page}", file=sys.stderr
        )
        return 2
    if CHROMIUM is None:
        print("chromium is not on the PATH: apt-get install chromium", file=sys.stderr)
        return 2
    take_picture(given.page, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
