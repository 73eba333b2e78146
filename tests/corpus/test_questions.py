"""The words of questions, and which questions are in two splits."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.corpus import questions as module
from noiseband.corpus.questions import in_train, normalised, question, without_seen, words

Row = dict[str, Any]

PLAIN = st.text("abcXYZäÖßéñжЩλΩ한국0189_", min_size=1, max_size=6)
BETWEEN = st.text(" \t\n\u00a0\u2009.,;:!?()[]\"'’“”…¿¡#&@—·。、", min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the CAPITAL of France?", "what is the capital of france"),
        ("  what is\n the capital,of (France)!", "what is the capital of france"),
        ("Stra\N{LATIN SMALL LETTER SHARP S}e", "strasse"),
        ("cafe\N{COMBINING ACUTE ACCENT}", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("\N{LATIN SMALL LIGATURE FI}ve \N{FULLWIDTH DIGIT FIVE}", "five 5"),
        ("don’t, don't", "don t don t"),
        ("", ""),
        ("?!", ""),
        # Scripts without spaces: each character is a word, whatever is between them.
        ("東京は、日本の首都です。", "東 京 は 日 本 の 首 都 で す"),
        ("GPT-2は言語model", "gpt - 2 は 言 語 model"),
        ("ราคา", "ร า ค า"),
        # Marks are part of a word.
        ("हिन्दी में", "हिन्दी में"),
        # Signs count before numbers, and only there.
        ("What is 3 + 4?", "what is 3 + 4"),
        ("3+4 3-4 3 \N{MULTIPLICATION SIGN} 4 1.5", "3 + 4 3 - 4 3 \N{MULTIPLICATION SIGN} 4 1 5"),
        ("and/or well-known **bold** x > y", "and or well known bold x y"),
    ],
)
def test_words_by_hand(text: str, expected: str) -> None:
    assert normalised(text) == expected


@given(st.lists(st.tuples(PLAIN, BETWEEN), max_size=8), st.data())
def test_case_punctuation_and_blanks_do_not_matter(
    parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    text = "".join(word + between for word, between in parts)
    others = [data.draw(BETWEEN) for _ in parts]
    other = "".join(
        word.swapcase() + between for (word, _), between in zip(parts, others, strict=True)
    )
    assert normalised(text) == normalised(other)
    assert len(words(text)) == len(parts)


@given(st.text(max_size=40), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_the_way_in_which_characters_are_written_does_not_matter(text: str, form: Any) -> None:
    assert normalised(unicodedata.normalize(form, text)) == normalised(text)


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from("\n.,<"))
def test_the_words_around_a_mark_do_not_depend_on_each_other(
    before: str, after: str, mark: str
) -> None:
    """So a long text may be cut before one."""
    assert words(before + mark + after) == words(before) + words(mark + after)


@given(st.text(max_size=40) | st.text("aÉ1_’—.,+- \N{COMBINING ACUTE ACCENT}東ท", max_size=40))
def test_the_fast_way_finds_what_the_pattern_finds(text: str) -> None:
    folded = unicodedata.normalize("NFKC", text).casefold()
    unsigned = module._SIGN.sub(lambda sign: f" {ord(sign[0])}sign ", folded)
    found = [
        re.sub(r"^(\d+)sign$", lambda m: chr(int(m[1])), one)
        for one in module._WORD.findall(unsigned)
    ]
    assert words(text) == found


@given(st.text(max_size=40))
def test_no_word_is_empty_or_has_a_blank(text: str) -> None:
    assert all(word and not any(map(str.isspace, word)) for word in words(text))


def row(split: str, instruction: str, output: str = "yes", **more: Any) -> Row:
    return {"instruction": instruction, "input": "", "output": output, "split": split, **more}


ROWS = [
    row("train", "Name a fish."),
    row("train", "Name a bird."),
    row("train", "Name a tree."),
    row("test", "Name a bird.", "another answer"),
    row("test", "name a TREE"),
    row("test", "Name a stone."),
    row("validation", "Name a  fish"),
    row("validation", "Name a stone!"),
    row("validation", "Name a star."),
]


def test_questions_that_are_in_train_are_found_whatever_their_answers() -> None:
    found = in_train(ROWS, "test")
    assert (found.questions, found.exactly, found.rows) == (3, 1, [4, 5])
    found = in_train(ROWS, "validation")
    assert (found.questions, found.exactly, found.rows) == (3, 0, [7])


def test_what_is_before_the_question_is_part_of_it() -> None:
    system = [{"role": "system", "text": "Be kind."}]
    rows = [
        row("train", "Go on.", turns=system),
        row("train", "Add", input="two and two"),
        row("test", "Go on."),
        row("test", "go on", turns=[{"role": "system", "text": "be kind"}]),
        row("test", "Add", input="two and one"),
        row("test", "Add two", input="and two"),
    ]
    found = in_train(rows, "test")
    assert (found.exactly, found.rows) == (0, [4, 6])
    assert question(rows[0]) == ("Be kind.", "Go on.", "")


def test_questions_without_words_are_compared_as_they_are() -> None:
    rows = [row("train", "?"), row("test", "!"), row("test", "?")]
    assert in_train(rows, "test").rows == [3]
    assert without_seen(rows) == rows[1:]


def test_seen_rows_leave_the_splits_that_are_asked_earlier() -> None:
    kept = without_seen(ROWS)
    assert [(one["split"], one["instruction"]) for one in kept] == [
        ("test", "Name a bird."),
        ("test", "name a TREE"),
        ("test", "Name a stone."),
        ("validation", "Name a  fish"),
        ("validation", "Name a star."),
    ]


QUESTIONS = st.sampled_from(["a", "A!", "b", "b b", "c", "C ", "d"])
SPLITS = st.sampled_from(["train", "test", "validation"])


@given(st.lists(st.builds(row, SPLITS, QUESTIONS), max_size=20))
def test_afterwards_no_question_is_seen_and_no_other_row_is_gone(rows: list[Row]) -> None:
    kept = without_seen(rows)
    assert [one for one in kept if one["split"] == "test"] == [
        one for one in rows if one["split"] == "test"
    ]
    assert not in_train(kept, "test").rows
    assert not in_train(kept, "validation").rows
    asked = {split: set[str]() for split in ("train", "test", "validation")}
    for one in rows:
        asked[one["split"]].add(normalised(one["instruction"]))
    for one in rows:
        worded = normalised(one["instruction"])
        seen = worded in asked["test"] or (
            one["split"] == "train" and worded in asked["validation"]
        )
        assert one["split"] == "test" or (one in kept) != seen
