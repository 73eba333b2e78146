"""The config reference agrees with the config models."""

from __future__ import annotations

from pathlib import Path

from noiseband.study import StudyConfig
from noiseband.study.document import config_reference


def test_the_page_is_up_to_date() -> None:
    assert Path("docs/config.md").read_text(encoding="utf-8") == config_reference(), (
        "run `make schema`"
    )


def test_every_key_of_every_section_has_a_row_with_its_documentation() -> None:
    page = config_reference()
    schema = StudyConfig.model_json_schema()
    sections = page.split("\n## ")[1:]
    models = [m for m in (schema, *schema["$defs"].values()) if "properties" in m]
    assert len(sections) == len(models)
    for model in models:
        (section,) = [
            text
            for text in sections
            if model["description"] in text
            and all(f"\n| `{key}` | " in text for key in model["properties"])
        ]
        for key, field in model["properties"].items():
            (row,) = [line for line in section.splitlines() if line.startswith(f"| `{key}` ")]
            assert row.replace("\\|", "").count("|") == 5
            assert " ".join(field["description"].split()).replace("|", "\\|") in row
            assert ("| required |" in row) == (key in model.get("required", []))


def test_values_and_defaults_are_those_of_the_models() -> None:
    rows = config_reference().splitlines()
    for row in (
        "| `betas` | list of 2 (number ≥ 0, < 1) | `[0.9, 0.999]` |",
        "| `seed` | seed or list of 2 to 3 (seed) or null | `null` |",
        "| `alpha` | number > 0, < 0.5 | `0.05` |",
        "| `on_mismatch` | `stop`, `warn` | `stop` |",
        "| `model` | [`recipe.model`](#recipemodel) | required |",
    ):
        assert any(line.startswith(row) for line in rows), row
