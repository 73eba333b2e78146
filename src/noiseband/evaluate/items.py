"""Read the items of a choice evaluation: a file of JSON lines, each checked before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from noiseband.errors import UserError
from noiseband.evaluate.json_lines import objects
from noiseband.io.metrics import shown


@dataclass(frozen=True)
class Item:
    """A context, and the texts that may follow it."""

    name: str
    """The item's `id`, or its line in the file, from 1."""
    row: int
    """Its line in the file, from 1."""
    context: str
    """May be empty: then the model sees the end of a document."""
    choices: tuple[str, ...]
    """One text if the model has to produce it, two or more if it has to choose."""
    answer: int
    """The place of the right text."""

    @property
    def last_word(self) -> bool:
        return len(self.choices) == 1


def read_items(file: Path) -> list[Item]:
    """Read a file of items, all with choices, or all with a target; other keys are ignored.

    Raises UserError with the file, the row, the key and the remedy, and FileNotFoundError.
    """
    items = [_item(file, row, value) for row, value in objects(file)]
    if not items:
        raise UserError(f"{file}: has no rows; write one JSON object in each line")
    names: dict[str, int] = {}
    for item in items:
        first = names.setdefault(item.name, item.row)
        if first != item.row:
            _fail(file, item.row, "id", f"{item.name} is that of row {first} too; change one")
        if item.last_word != items[0].last_word:
            other = "target" if items[0].last_word else "choices"
            _fail(
                file,
                item.row,
                "target" if item.last_word else "choices",
                f"row {items[0].row} has {other}; give each kind of item a file of its own",
            )
    return items


def _item(file: Path, row: int, value: dict[str, Any]) -> Item:
    given = [key for key in ("context", "question") if key in value]
    if len(given) != 1:
        what = "both are there" if given else "missing"
        _fail(file, row, "context", f"{what}; give either context or question")
    context = _text(file, row, given[0], value[given[0]])
    name = value.get("id", row)
    if isinstance(name, bool) or not isinstance(name, int | str):
        _fail(file, row, "id", f"{shown(name)} is neither a text nor a whole number; change it")
    name = _text(file, row, "id", str(name))
    if ("choices" in value) == ("target" in value):
        what = "both are there" if "target" in value else "missing"
        _fail(file, row, "choices", f"{what}; give either choices with an answer, or a target")
    if "target" in value:
        target = _text(file, row, "target", value["target"], empty=False)
        return Item(name, row, context, (target,), 0)
    choices = value["choices"]
    if not isinstance(choices, list) or len(choices) < 2:
        _fail(file, row, "choices", f"{shown(choices)} is not a list of two or more texts")
    texts = tuple(_text(file, row, f"choices.{i}", t, empty=False) for i, t in enumerate(choices))
    answer = value.get("answer")
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(texts):
        _fail(
            file,
            row,
            "answer",
            f"{shown(answer)} is not the place of a choice; write a number from 0 to "
            f"{len(texts) - 1}",
        )
    return Item(name, row, context, texts, answer)


def _text(file: Path, row: int, key: str, value: object, empty: bool = True) -> str:
    if not isinstance(value, str):
        _fail(file, row, key, f"{shown(value)} is not a text; put it in quotes")
    if not empty and not value.strip():
        _fail(file, row, key, "is empty; write its text")
    try:
        value.encode()
    except UnicodeEncodeError:
        _fail(file, row, key, "has half a surrogate pair, which is no character; remove it")
    return value


def _fail(file: Path, row: int, key: str, reason: str) -> NoReturn:
    raise UserError(f"{file}: row {row}: {key}: {reason}")
