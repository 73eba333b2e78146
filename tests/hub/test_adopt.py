"""A published run can take the place of a study's own run, if it is the same byte for byte."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import NotMadeError, UserError
from noiseband.hub.adopt import adopt
from noiseband.hub.entry import Import, import_model
from noiseband.hub.publish import published_files, write_publication
from noiseband.io.files import read_json
from noiseband.study import Study
from tests.hub.server import COMMIT
from tests.hub.study import copied, evaluate, write_tables
from tests.hub.upload import WritableHub

RUN = "baseline-42"


@pytest.fixture
def published(writable: WritableHub, finished: Study, tmp_path: Path) -> WritableHub:
    """The baseline, published on the Hub."""
    out = tmp_path / "out"
    write_publication(finished, finished.runs[RUN], "me/run", "apache-2.0", out)
    for name in published_files():
        writable.add("me/run", name, (out / name).read_bytes())
    return writable


@pytest.fixture
def study(finished: Study, tmp_path: Path) -> Study:
    """The same study before it has trained the baseline."""
    study = copied(finished, tmp_path / "results")
    shutil.rmtree(study.results / "runs" / RUN)
    return study


def with_file(hub: WritableHub, name: str, content: bytes) -> Import:
    """The published run with one file replaced, as a new commit."""
    commit = hashlib.sha1(content).hexdigest()
    for path, before in hub.contents("me/run", COMMIT).items():
        hub.add("me/run", path, content if path == f"noiseband/{name}" else before, commit)
    return import_model("me/run", commit)


def changed(hub: WritableHub, name: str, **keys: Any) -> Import:
    """The published run with some keys changed in one of its records."""
    data = json.loads(hub.contents("me/run", COMMIT)[f"noiseband/{name}"]) | keys
    return with_file(hub, name, json.dumps(data).encode())


def refused(study: Study, found: Import, run: str = RUN) -> str:
    with pytest.raises(UserError) as error:
        adopt(study, study.runs[run], found)
    assert not (study.results / "runs" / RUN).exists()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_study_cannot_tell_it_from_its_own(
    published: WritableHub, finished: Study, study: Study
) -> None:
    folder = adopt(study, study.runs[RUN], import_model("me/run", None))
    own = finished.results / "runs" / RUN
    names = sorted(path.name for path in own.iterdir() if path.is_file())
    files = [path for path in folder.iterdir() if path.is_file()]
    measured = {"test_loss.json", "test_documents.csv"}
    assert sorted(path.name for path in files) == sorted({*names} - measured)
    for path in files:
        assert path.read_bytes() == (own / path.name).read_bytes(), path.name
    evaluate(study, RUN)
    write_tables(study)
    for table in ("runs", "verdicts", "noise"):
        here, there = (one.results / f"tables/{table}.csv" for one in (study, finished))
        assert here.read_bytes() == there.read_bytes()


def test_one_that_is_there_is_left_alone(published: WritableHub, finished: Study) -> None:
    found = import_model("me/run", None)
    with pytest.raises(UserError, match="has a trained run already; remove it first: rm -r"):
        adopt(finished, finished.runs[RUN], found)


def test_another_recipe(published: WritableHub, study: Study) -> None:
    shutil.rmtree(study.results / "runs/clip-42")
    found = import_model("me/run", None)
    said = refused(study, found, "clip-42")
    assert "differs from the recipe of clip-42: optimizer.clip_norm: 0.05 -> null" in said
    said = refused(study, changed(published, "recipe.json", digest="0" * 64))
    assert "differs from the recipe of baseline-42: its digest" in said


def test_other_inputs(published: WritableHub, study: Study) -> None:
    inputs = read_json(study.results / "runs/clip-42/provenance.json")["inputs"]
    found = changed(published, "provenance.json", inputs=inputs | {"tokens": "0" * 64})
    assert "the digest of tokens is not that of" in refused(study, found)
    (study.results / "tokens/text/vocabulary.tiktoken").unlink()
    with pytest.raises(NotMadeError, match=r"vocabulary\.tiktoken is not there yet"):
        adopt(study, study.runs[RUN], changed(published, "provenance.json", inputs=inputs))


def test_a_trace_of_another_run(published: WritableHub, finished: Study, study: Study) -> None:
    other = finished.results / "runs/baseline-22/trace.parquet"
    found = with_file(published, "trace.parquet", other.read_bytes())
    assert "noiseband/trace.parquet: has the digest" in refused(study, found)
    # Even if the digest is changed too, the trace still ends with other weights.
    del found.records["provenance.json"]["outputs"]
    assert "trace.parquet: does not end with these weights" in refused(study, found)


def test_a_model_that_noiseband_did_not_publish(published: WritableHub, study: Study) -> None:
    found = import_model("me/run", None)
    bare = Import(found.source, {})
    assert "noiseband/recipe.json: missing" in refused(study, bare)
