"""The files of a model, by the name that people write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import NotMadeError, UserError
from noiseband.hub.source import find_source
from noiseband.io.files import write_text
from noiseband.study import parse_study


def test_weights_of_a_run_besides_its_final_ones(
    study_data: dict[str, Any], tmp_path: Path
) -> None:
    averages = {"ema": {"decay": 0.9}}
    snapshots = {"every": 1, "last": 2}
    data = {**study_data, "results": str(tmp_path), "averages": averages, "snapshots": snapshots}
    study = parse_study(data)
    write_text(study.paths.vocabulary("text"), "", checksum=False)
    folder = study.paths.run("clip-42")
    for name, place in {
        "clip-42": folder,
        "clip-42/averages/ema": folder / "averages/ema",
        "clip-42/snapshots/1": folder / "snapshots/1",
    }.items():
        with pytest.raises(NotMadeError):
            find_source(study, name)
        write_text(place / "model.safetensors", "", checksum=False)
        found = find_source(study, name)
        assert found.weights == place / "model.safetensors"
        assert found.model == study.runs["clip-42"].model
    with pytest.raises(UserError, match="did you mean clip-42/averages/ema"):
        find_source(study, "clip-42/averages/emma")
