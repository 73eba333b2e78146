"""Synthetic questions and answers for instruction fine-tuning, from facts and templates."""

from __future__ import annotations

import hashlib
from string import Formatter
from typing import Any

from noiseband.corpus.embedded.facts import Facts, read_facts
from noiseband.corpus.embedded.templates import TEMPLATES, Template
from noiseband.corpus.packages import package_files
from noiseband.errors import UserError
from noiseband.study.instructions import FactbookRows


def generate_questions(config: FactbookRows) -> list[dict[str, Any]]:
    """`config.rows` rows in Alpaca's format: `instruction`, `input` (may be empty), `output`.

    `synthetic` is true in all. No two rows have the same instruction and input. The rows are a
    function of the config alone; a larger `rows` adds rows after the same first ones. Raises
    UserError for a missing or other package version and for more rows than there are.
    """
    files = package_files(config.package, config.version, "instructions")
    rows = _all_rows(read_facts(files))
    if config.rows > len(rows):
        raise UserError(
            f"instructions.rows: {config.rows} are wanted, {config.package} {config.version} "
            f"gives at most {len(rows)}; lower it"
        )
    return [{**row, "synthetic": True} for row in rows[: config.rows]]


def _all_rows(countries: list[Facts]) -> list[dict[str, str]]:
    """A row for each country and template that it has the facts for, in hash order."""
    rows: dict[bytes, dict[str, str]] = {}
    for template in TEMPLATES:
        for facts in countries:
            if _fields(template) <= facts.keys():
                key = hashlib.sha256(f"{template.kind}/{facts['name']}".encode()).digest()
                rows[key] = _row(template, facts, key)
    return [rows[key] for key in sorted(rows)]


def _row(template: Template, facts: Facts, key: bytes) -> dict[str, str]:
    # The wording comes from the key's last byte, for the first ones decide the row's position:
    # with them each split would have wordings of its own.
    wording = template.instructions[key[-1] % len(template.instructions)]
    return {
        "instruction": wording.format_map(facts),
        "input": template.input.format_map(facts),
        "output": template.output.format_map(facts),
    }


def _fields(template: Template) -> set[str]:
    texts = (*template.instructions, template.input, template.output)
    return {field for text in texts for _, field, _, _ in Formatter().parse(text) if field}
