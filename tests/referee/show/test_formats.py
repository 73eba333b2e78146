"""Markdown that renders, JSON and CSV that programs read, HTML in one file, a chart."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import pytest
from markdown_it import MarkdownIt

import noiseband as nb
from noiseband.errors import UserError
from noiseband.referee.show.html import as_page
from noiseband.referee.show.machine import FIELDS, as_csv, as_json
from noiseband.referee.show.markdown import as_markdown
from tests.referee.tables import drawn

ODD = "a|b *c* <script>x</script>"


@pytest.fixture(scope="module")
def found() -> nb.Answer:
    frame = drawn(2, {"main": 4, "up": 4, ODD: 4, "once": 1}, {"up": 0.2})
    return nb.verdicts(frame, baseline="main")


@pytest.fixture(scope="module")
def against_target() -> nb.Answer:
    return nb.verdicts(drawn(2, {"main": 4, "up": 4}, {"up": 0.2}), target=3.4)


def test_a_markdown_table_renders_with_names_as_they_are(found: nb.Answer) -> None:
    html = MarkdownIt("commonmark").enable("table").render(as_markdown(found))
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    assert cells[0] == ["arm", "runs", "effect", "p", "verdict"]
    assert [row[0] for row in cells[1:]] == [
        "up", "a|b *c* &lt;script&gt;x&lt;/script&gt;", "once",
    ]  # fmt: skip
    assert cells[1][4] == "hurts" and {len(row) for row in cells} == {5}


def test_json_has_every_documented_field(found: nb.Answer, against_target: nb.Answer) -> None:
    with open("docs/referee.md", encoding="utf-8") as file:
        documented = file.read().partition("\n## JSON\n")[2]
    for answer in (found, against_target):
        whole = json.loads(as_json(answer))
        assert whole.keys() == {"verdicts", "metrics", "notes"}
        for one in whole["verdicts"]:
            assert tuple(one) == FIELDS
        for name in [*FIELDS, *whole["metrics"][0]]:
            assert f"`{name}`" in documented, name
    first = json.loads(as_json(found))["verdicts"][0]
    assert (first["arm"], first["verdict"], first["runs"]) == ("up", "hurts", 4)
    assert first["low"] < first["effect"] < first["high"]


def test_csv_is_read_back_exactly(found: nb.Answer) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [row["arm"] for row in rows] == [one.arm for one in found.verdicts]
    for row, one in zip(rows, found.verdicts, strict=True):
        assert one.effect is not None and float(row["effect"]) == one.effect
        assert (row["low"] == "") == (one.low is None)


def test_no_cell_is_a_formula() -> None:
    frame = drawn(2, {"main": 2, "=1+1": 2})
    assert ",'=1+1," in as_csv(nb.verdicts(frame, baseline="main"))


def test_a_page_is_one_file_and_holds_no_script(found: nb.Answer) -> None:
    page = as_page(found)
    assert "<svg" in page and "a|b *c* &lt;script&gt;" in page
    assert (
        "<script" not in page
        and "src=" not in page
        and "http" not in page.replace("http://www.w3.org", "")
    )


def test_an_answer_shows_itself(found: nb.Answer, against_target: nb.Answer) -> None:
    assert "helps" in str(found) or "hurts" in str(found)
    assert '<td class="hurts">hurts' in found._repr_html_()
    assert 'class="better-than-the-target">' in against_target._repr_html_()
    assert found.table["verdict"].tolist() == [str(one.verdict) for one in found.verdicts]
    assert math.isclose(found.effects["up"] or 0.0, found.table["effect"][0])


def test_a_chart_has_a_row_for_each_arm(found: nb.Answer, against_target: nb.Answer) -> None:
    (axes,) = found.figure().axes
    assert {label.get_text() for label in axes.get_yticklabels()} >= {"up", "once"}
    assert axes.get_xlabel() == "Change of the loss"
    # A notebook asks a figure for this, whether or not pyplot is imported.
    assert found.figure()._repr_svg_().startswith("<svg xmlns=")  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="no metric 'acc' here"):
        found.figure("acc")
    with pytest.raises(UserError, match="leave out --target"):
        against_target.figure()


def test_of_several_metrics_each_has_a_table_and_a_note_says_what_that_means() -> None:
    frame = drawn(2, {"main": 4, "up": 4}).assign(acc=lambda table: 4 - table["loss"])
    found = nb.verdicts(frame, baseline="main", metric=["loss", "acc"])
    assert str(found).count("baseline main") == 2
    assert "each of the 2 metrics is a family of its own" in str(found)
    loss, acc = found.verdicts
    assert loss.effect is not None and acc.effect == pytest.approx(-loss.effect)
