"""The table of gaps: a row for each change and a column for each pretrained model."""

from __future__ import annotations

from noiseband.analysis.rows import GapRow
from noiseband.report.views.gaps import gaps


def test_the_largest_share_comes_first() -> None:
    rows = [
        GapRow(reference, name, 4.0, 3.0, share, None, None, None)
        for reference, shares in (("one", (0.1, 0.3, -0.2)), ("two", (0.4, 0.2, 0.0)))
        for name, share in zip("abc", shares, strict=True)
    ]
    found = gaps(rows)
    assert found.references == [("one", 1.0), ("two", 1.0)]
    assert [name for name, _ in found.rows] == ["b", "a", "c"]
    assert [row.share for row in found.rows[0][1]] == [0.3, 0.2]
    assert gaps([]).rows == []
