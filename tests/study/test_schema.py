"""The schema file for editors agrees with the config models."""

from __future__ import annotations

import json
from pathlib import Path

from noiseband.study import StudyConfig


def test_the_schema_file_is_up_to_date() -> None:
    written = json.loads(Path("workflow/schemas/config.schema.json").read_text())
    assert written == StudyConfig.model_json_schema(), "run `make schema`"


def test_every_field_of_the_schema_is_documented() -> None:
    schema = StudyConfig.model_json_schema()
    models = {"StudyConfig": schema, **schema["$defs"]}
    bare = [
        f"{model}.{name}"
        for model, definition in models.items()
        for name, field in definition.get("properties", {}).items()
        if "description" not in field
    ]
    assert bare == []
