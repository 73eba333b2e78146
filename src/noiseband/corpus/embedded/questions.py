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
    """Return `config.rows` rows in Alpaca's format: `instruction`, `input` (or empty), `output`.

    Every row has `synthetic` set to true, and no two rows have the same instruction and input. The
    rows depend only on the config, and a larger `rows` adds rows at the end. Raises UserError if
    the package is missing or has another version, or if there are fewer rows than requested.
    """
    files = package_files(config.package, config.version, "instructions")
    rows = _all_rows(read_facts(files))
    if config.rows > len(rows):
        raise UserError(
            f"instructions.rows: {config.rows} rows are requested, but {config.package} "
            f"{config.version} gives at most {len(rows)}; lower it"
        )
    return [{**row, "synthetic": True} for row in rows[: config.rows]]


def _all_rows(countries: list[Facts]) -> list[dict[str, str]]:
    """Return a row for each template and each country that has its facts, in hash order."""
    rows: dict[bytes, dict[str, str]] = {}
    for template in TEMPLATES:
        for facts in countries:
            if _fields(template) <= facts.keys():
                key = hashlib.sha256(f"{template.kind}/{facts['name']}".encode()).digest()
                rows[key] = _row(template, facts, key)
    return [rows[key] for key in sorted(rows)]


def _row(template: Template, facts: Facts, key: bytes) -> dict[str, str]:
    # The wording depends on the key's last byte, because the first bytes decide the row's position:
    # if they decided both, each split would have its own wordings.
    wording = template.instructions[key[-1] % len(template.instructions)]
    return {
        "instruction": wording.format_map(facts),
        "input": template.input.format_map(facts),
        "output": template.output.format_map(facts),
    }


def _fields(template: Template) -> set[str]:
    texts = (*template.instructions, template.input, template.output)
    return {field for text in texts for _, field, _, _ in Formatter().parse(text) if field}
