"""Which files of a folder are data: links are followed, hidden files are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.io.folders import chooses, files_in


def test_links_to_files_and_folders_count_like_what_they_lead_to(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "mine"
    (elsewhere / "deep").mkdir(parents=True)
    (folder / "sub").mkdir(parents=True)
    (elsewhere / "deep/a.txt").write_text("a")
    (folder / "sub/b.txt").write_text("b")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "c.txt").symlink_to(elsewhere / "deep/a.txt")
    (folder / "broken.txt").symlink_to(tmp_path / "gone")
    assert files_in(folder) == ["c.txt", "linked/deep/a.txt", "sub/b.txt"]


def test_a_link_to_a_folder_that_it_is_in_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.txt").write_text("a")
    (tmp_path / "sub/up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "sub")
    assert files_in(tmp_path) == ["self/a.txt", "sub/a.txt"]


@pytest.mark.parametrize(
    ("pattern", "name", "chosen"),
    [
        ("*.txt", "a.txt", True),
        ("*.txt", "sub/a.txt", True),
        ("*", ".DS_Store", False),
        ("*.txt", "._a.txt", False),
        ("*.txt", "sub/.ipynb_checkpoints/a-checkpoint.txt", False),
        (".own/*.txt", ".own/a.txt", True),
        ("sub/.a.txt", "sub/.a.txt", True),
        ("*.txt", "a.csv", False),
    ],
)
def test_hidden_files_need_a_pattern_with_a_dot(pattern: str, name: str, chosen: bool) -> None:
    assert chooses(pattern, name) is chosen
