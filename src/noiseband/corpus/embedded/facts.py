"""Facts about countries, taken from the Factbook's fields by pattern: a dictionary a country.

A field that does not have the expected form gives no fact, so every fact reads well in a
sentence. `templates` says which facts a question needs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from noiseband.corpus.embedded.readers.factbook import Entry, countries, part

Facts = dict[str, str]

PATTERNS = [
    ("Government", "Capital", "name", r"(?P<capital>[^(),;]+)"),
    ("Government", "Country name", "conventional long form", r"(?!none)(?P<long_name>[^;(]+)"),
    ("Government", "Government type", "text", r"(?!in tr|auth)(?P<government>[a-z -]+)"),
    ("Government", "National symbol(s)", "text", r"(?P<symbol>[^();\n]{3,80})"),
    ("Government", "National color(s)", "text", r"(?P<colours>[a-z -]+(, [a-z -]+)+)"),
    ("Government", "National anthem(s)", "title", r'"(?P<anthem>[^"]+)"( \(.*)?'),
    (
        *("Government", "Independence", "text"),
        r"(?P<independence>\d{1,2} [A-Z][a-z]+ \d{4}) \(from (?P<ruler>[^();,]+)\)",
    ),
    ("Geography", "Area", "total ", r"(?P<area>[\d,]+) sq km.*"),
    ("Geography", "Climate", "text", r"(?P<climate>[^\n:]{10,140})"),
    ("Geography", "Terrain", "text", r"(?P<terrain>[^\n:]{10,140})"),
    ("Geography", "Natural resources", "text", r"(?P<resources>[a-z][a-z ,]+)"),
    ("Geography", "Location", "text", r"(?P<location>[^\n;]{10,140})"),
    ("Geography", "Map references", "text", r"(?!Pol|AsiaE)(?P<region>[A-Z][A-Za-z ]+)"),
    ("Geography", "Land boundaries", "border countries", r"(?P<borders>[^(]+ km)"),
    ("Geography", "Coastline", "text", r"(?P<coast>[1-9][\d,.]*) km"),
    ("Geography", "Coastline", "text", r"0 km \((?P<landlocked>(doubly )?landlocked)\)"),
    (
        *("Geography", "Elevation", "highest point"),
        r"(?!unnamed)(?P<summit>[^\d(),;]+) (?P<height>[\d,]+) m",
    ),
    (
        *("People and Society", "Population", "total"),
        r"(?P<population>[\d,]+) \((?P<population_year>\d{4}) est\.\)",
    ),
    ("People and Society", "Nationality", "adjective", r"(?P<adjective>[A-Z][a-z-]+)"),
    ("Communications", "Internet country code", "text", r"(?P<domain>\.[a-z]{2})"),
    ("Economy", "Exchange rates", "Currency", r"(?P<currency>.+) \([A-Z]{3}\) per US dollar -"),
    ("Economy", "Exports - commodities", "text", r"(?P<exports>[^()]+) \(\d{4}\)"),
    ("Economy", "Agricultural products", "text", r"(?P<crops>[^()]+) \(\d{4}\)"),
]
"""Category, field, part, and a pattern for the whole part; its named groups are the facts."""

ARTICLE = re.compile(
    r"(United|Federated|Democratic|Dominican|Central African|Holy|Republic|Middle East).*|US|UAE"
    r"|Comoros|Maldives|Netherlands|Philippines|.* (Islands|Region)"
)
"""Names that take "the"."""


def read_facts(files: Mapping[str, Path]) -> list[Facts]:
    """Facts of every independent country, in the Factbook's order.

    Each has `name`, `the` (the name with its article) and `The` (the same at a sentence's
    start); of the facts in `PATTERNS`, `_lists`, `_neighbours` and `_languages` those that its
    fields give; `other_...`, the facts of another country; and which of the two is `larger`.
    """
    states = [
        _facts(name, entry)
        for name, entry in countries(files)
        if name != "European Union" and _is_independent(entry)
    ]
    return [{**facts, **_compared(facts, _partner(facts, states))} for facts in states]


def _is_independent(entry: Entry) -> bool:
    """Whether the entry tells of its independence; territories say "none (territory of ...)"."""
    independence = part(entry, "Government", "Independence")
    return bool(independence) and not independence.startswith(("none", "NA"))


def _facts(name: str, entry: Entry) -> Facts:
    # A capital or a long name that is the country's name makes no question.
    facts = {label: fact for label, fact in _matched(entry).items() if fact != name}
    return {**_named(name), **facts, **_lists(facts), **_neighbours(facts), **_languages(entry)}


def _named(name: str) -> Facts:
    the = _with_article(name)
    return {"name": name.removeprefix("The "), "the": the, "The": the[0].upper() + the[1:]}


def _with_article(name: str) -> str:
    """A name inside a sentence: "the Netherlands", "the Gambia" (from "The Gambia"), "Chad"."""
    return f"the {name}" if ARTICLE.fullmatch(name) else re.sub("^The ", "the ", name)


def _matched(entry: Entry) -> Facts:
    matches = (
        re.fullmatch(pattern, part(entry, category, field, label))
        for category, field, label, pattern in PATTERNS
    )
    facts = {name: fact for match in matches if match for name, fact in match.groupdict().items()}
    places = {name: _with_article(facts[name]) for name in ("location", "region") if name in facts}
    return facts | places


def _lists(facts: Facts) -> Facts:
    """Facts that are lists, as a sentence has them, the long ones cut to three; and "a" or "an"."""
    lists: Facts = {}
    for label in {"exports", "crops", "resources"} & facts.keys():
        items = facts[label].split(", ")[:3]
        if len(items) == 3:
            lists[f"three_{label}"] = joined(items)
    if "colours" in facts:
        lists["all_colours"] = joined(facts["colours"].split(", "))
    if "government" in facts:
        article = "an" if facts["government"].startswith(tuple("aeio")) else "a"
        lists["a_government"] = f"{article} {facts['government']}"
    return lists


def _neighbours(facts: Facts) -> Facts:
    """Neighbours and their number, from "Libya 989 km; Mali 1,359 km"; of up to 8 countries."""
    borders = facts.get("borders", "").split("; ")
    matches = [re.fullmatch(r"(\D+) [\d.,]+ km", border) for border in borders]
    neighbours = [_with_article(match[1]) for match in matches if match]
    if len(borders) > 8 or len(neighbours) < len(borders):
        return {}
    count = "1 country" if len(borders) == 1 else f"{len(borders)} countries"
    return {"neighbours": joined(neighbours), "neighbour_count": count}


def _languages(entry: Entry) -> Facts:
    """`language` if there is one official language, `languages` if there are more."""
    field = ("People and Society", "Languages")
    spoken = part(entry, *field, "Languages") or part(entry, *field)
    official = re.findall(r"([A-Z]\w+(?: [A-Z]\w+)*) (?:[\d.]+% )?\(official\)", spoken)
    if not official or spoken.count("official") != len(official):
        return {}
    return {"language" if len(official) == 1 else "languages": joined(official)}


def _partner(facts: Facts, states: list[Facts]) -> Facts:
    """Another country to set beside this one: any will do, as long as it is always the same."""
    others = [other for other in states if other is not facts]
    return others[int(hashlib.sha256(facts["name"].encode()).hexdigest(), 16) % len(others)]


def _compared(facts: Facts, other: Facts) -> Facts:
    compared = {f"other_{name}": fact for name, fact in other.items()}
    if "area" in facts and "area" in other and facts["area"] != other["area"]:
        pair = sorted((facts, other), key=lambda one: int(one["area"].replace(",", "")))
        for rank, one in zip(("smaller", "larger"), pair, strict=True):
            compared |= {rank: one["the"], rank.title(): one["The"], f"{rank}_area": one["area"]}
    return compared


def joined(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
