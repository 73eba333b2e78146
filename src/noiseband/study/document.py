"""The config reference: every section and key as Markdown, made from the models' JSON schema.

`noiseband schema --format markdown` prints it, and docs/config.md contains its output.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from noiseband.study.config import StudyConfig

Schema = dict[str, Any]

SEEDS = 2**63
"""Exclusive upper bound of seeds. A field with this bound is a seed."""

HEAD = """\
# Config reference

Every key of a study's config file, from `noiseband schema --format markdown` (`make schema` writes
this page, and a test checks it). The pocket study, [`config/config.yaml`](../config/config.yaml),
is an example of most keys. `noiseband runs --config FILE` checks a file and lists its runs.

These rules apply to the whole file: an unknown key is an error, and so is a number in quotes or a
key that appears twice. A key without a default is required. Paths are relative to the folder in
which Snakemake runs. Losses are in nats. A seed is a whole number from 0 to 2^63 - 1. `<name>`
stands for a name of your own, and `[]` for each entry of a list.
"""


def config_reference() -> str:
    """Return the config reference as Markdown, ending in a newline."""
    schema = StudyConfig.model_json_schema()
    parts = [HEAD]
    for path, section in _sections(schema, schema["$defs"]):
        title = f"`{path}`" if path else "The whole file"
        parts.append(f"## {title}\n\n{section['description']}\n\n{_table(section, path, schema)}")
    return "\n".join(parts)


def _places(schema: Schema, definitions: Schema) -> dict[str, list[str]]:
    """Definition to the key paths at which it may appear, both in the order of the file."""
    found: dict[str, list[str]] = {}

    def visit(node: Schema, path: str) -> None:
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            if "properties" not in definitions[name]:
                return
            first = name not in found
            found.setdefault(name, []).append(path)
            if first:
                visit(definitions[name], path)
            return
        for key, inner in node.get("properties", {}).items():
            visit(inner, f"{path}.{key}".removeprefix("."))
        for inner in [*node.get("anyOf", []), *node.get("oneOf", [])]:
            visit(inner, path)
        for inner in _values(node):
            visit(inner, f"{path}.<name>")
        if "items" in node:
            visit(node["items"], f"{path}[]")

    visit({"properties": schema["properties"]}, "")
    return found


def _sections(schema: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    """Each section once, under the first path at which it may appear. The headings of sections that
    share a path (such as the kinds of judge) contain their `kind`."""
    yield "", schema
    places = _places(schema, definitions)
    for name in places:
        yield _heading(name, places, definitions), definitions[name]


def _heading(name: str, places: dict[str, list[str]], definitions: Schema) -> str:
    path = places[name][0]
    kinds = definitions[name]["properties"].get("kind", {})
    kind = kinds.get("const")
    return path if kind is None else f"{path}` with `kind: {kind}"


def _table(section: Schema, path: str, schema: Schema) -> str:
    definitions = schema["$defs"]
    places = _places(schema, definitions)
    required = section.get("required", [])
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for key, field in section["properties"].items():
        value = _value(field, places, definitions)
        default = "required" if key in required else _default(field)
        about = " ".join(field.get("description", "").split())
        cells = [cell.replace("|", r"\|") for cell in (f"`{key}`", value, default, about)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _value(field: Schema, places: dict[str, list[str]], definitions: Schema) -> str:
    """A description of the values that the field may have."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        if name not in places:
            return "any"
        heading = _heading(name, places, definitions)
        return f"[`{heading.split('`')[-1] or heading}`](#{_anchor(heading)})"
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        return " or ".join(_value(choice, places, definitions) for choice in choices)
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return _list(field, places, definitions)
    if field.get("type") == "object":
        inner = [_value(one, places, definitions) for one in _values(field)]
        return f"names, each with ({inner[0]})" if inner else "keys with values"
    if field.get("exclusiveMaximum") == SEEDS:
        return "seed"
    kinds = {"integer": "whole number", "string": "text", "boolean": "`true`, `false`"}
    kind = kinds.get(field.get("type", "any"), field.get("type", "any"))
    return f"{kind}{_bounds(field)}"


def _list(field: Schema, places: dict[str, list[str]], definitions: Schema) -> str:
    inner = _value(field["items"], places, definitions)
    least, most = field.get("minItems"), field.get("maxItems")
    if least and most and least != most:
        return f"list of {least} to {most} ({inner})"
    count = f"{least} " if least else ""
    more = "or more " if least and least != most else ""
    return f"list of {count}{more}({inner})"


def _values(field: Schema) -> list[Schema]:
    """Schemas of the values of a mapping with arbitrary names as keys."""
    more = field.get("additionalProperties")
    return [
        *field.get("patternProperties", {}).values(),
        *([more] if isinstance(more, dict) else []),
    ]


def _bounds(field: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    if "multipleOf" in field:
        bounds.append(f"a multiple of {field['multipleOf']}")
    return f" {', '.join(bounds)}" if bounds else ""


def _default(field: Schema) -> str:
    """The default as it is written in YAML. A section's defaults are in the section's own table."""
    default = field.get("default")
    if "$ref" in field or (isinstance(default, dict) and "kind" in default):
        return "its defaults"
    if default == "":
        return "empty"
    text = json.dumps(default)
    plain = isinstance(default, str) and default == default.strip()
    return f"`{text.strip(chr(34)) if plain else text}`"


def _anchor(heading: str) -> str:
    """The anchor that GitHub makes from a heading: no punctuation but hyphens and underscores."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")
