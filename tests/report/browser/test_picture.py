"""The command that makes a picture of a report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from matplotlib.image import imread

from tests.pages import Made
from tests.report.browser.conftest import page_of
from tests.report.picture import HEIGHT, WIDTH


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tests.report.picture", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True)


def test_the_first_screen_is_in_the_picture(judged: Made, tmp_path: Path) -> None:
    made = command(page_of(judged), tmp_path / "report.png")
    assert made.returncode == 0, made.stderr
    pixels = imread(tmp_path / "report.png")
    assert pixels.shape[:2] == (HEIGHT, WIDTH)
    assert len({tuple(pixel) for pixel in pixels.reshape(-1, pixels.shape[2])[::97]}) > 10


def test_a_page_that_is_not_there_is_said(tmp_path: Path) -> None:
    missing = command(tmp_path / "none.html", tmp_path / "report.png")
    assert missing.returncode == 2
    assert "none.html is not there yet" in missing.stderr
    assert not (tmp_path / "report.png").exists()
