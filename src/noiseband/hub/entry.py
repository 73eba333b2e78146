"""Turn a model on the Hub into an entry of a study's `pretrained:`, with checked digests."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

from noiseband.errors import UserError
from noiseband.hub.classes import check_config, from_hub, shape_of
from noiseband.hub.reference import from_reference
from noiseband.hub.reference import shape_of as shape_of_reference
from noiseband.io.checksums import file_sha256
from noiseband.io.digests import digest
from noiseband.io.hub_files import endpoint, fetch_file, reason
from noiseband.repro.manifest import artefact_digest
from noiseband.study import Study
from noiseband.study.architecture import Model
from noiseband.study.hub_classes import CLASSES
from noiseband.study.pretrained import Pretrained, PretrainedLayout, check_pretrained
from noiseband.study.vocabularies import tokenizer_of
from noiseband.terminal import one_line

CONFIG, WEIGHTS = "config.json", "model.safetensors"
RECORDS = ("recipe.json", "model.json", "test_loss.json", "provenance.json")
"""The files in `noiseband/` that are read if noiseband published the model."""


@dataclass(frozen=True)
class Import:
    """A model from the Hub, downloaded and checked."""

    source: Pretrained
    """The entry, with its revision and digests pinned."""
    records: dict[str, Any]
    """The contents of `RECORDS`, by file name; empty if noiseband did not publish the model."""

    def record(self, file: str, key: str) -> dict[str, Any]:
        """The mapping under a key of a record; empty if there is none."""
        found = self.records.get(file, {}).get(key)
        return found if isinstance(found, dict) else {}

    def entry(self) -> dict[str, Any]:
        """The entry as it is written in a config."""
        text: dict[str, Any] = self.source.model_dump(exclude_defaults=True, mode="json")
        return text


def import_model(
    repo: str, revision: str | None, file: str = WEIGHTS, heads: int | None = None
) -> Import:
    """Download a published model, check it, and pin it.

    Args:
        revision: branch, tag or commit; None takes the default branch. The entry pins the commit.
        file: the weights of a class of `transformers`, or a safetensors file with the reference's
            names.
        heads: number of attention heads, needed only for weights with the reference's names.

    Raises:
        UserError: the model cannot be downloaded, is of another kind, or its weights do not have
            the digest that was published with them.
    """
    commit, names = _listed(repo, revision)
    with tempfile.TemporaryDirectory(prefix="noiseband-import-") as scratch:
        folder = Path(scratch)

        def fetched(name: str) -> Path:
            fetch_file(repo, commit, name, folder / name)
            return folder / name

        config = _json(fetched(CONFIG), f"{repo}: {CONFIG}") if CONFIG in names else {}
        records = {
            name: _json(fetched(f"noiseband/{name}"), f"{repo}: noiseband/{name}")
            for name in RECORDS
            if f"noiseband/{name}" in names
        }
        weights = fetched(file)
        sha256 = file_sha256(weights)
        try:
            tensors = load_file(weights)
        except SafetensorError as error:
            raise UserError(f"{repo}: {file}: not a safetensors file ({error})") from None
        source = f"{repo}: {file}"
        if (kind := config.get("model_type")) in CLASSES:
            layout: PretrainedLayout = "gpt2" if kind == "gpt2" else "llama"
            model = _published(records, repo) or shape_of(config, f"{repo}: {CONFIG}")
            check_config(config, model, f"{repo}: {CONFIG}")
            own = from_hub(tensors, model, source)
        else:
            if heads is None:
                raise UserError(f"{repo}: give --heads: the number cannot be read from its weights")
            layout = "reference"
            model = shape_of_reference(tensors, heads, source)
            own = from_reference(tensors, model, source)
    found = digest(own)
    wanted = records.get("model.json", {}).get("sha256", found)
    if wanted != found:
        raise UserError(
            f"{source}: its weights have the digest {found}, but noiseband/model.json says "
            f"{one_line(str(wanted))}; do not use it: ask who published it"
        )
    pinned = {"repo": repo, "revision": commit, "sha256": sha256, "weights_sha256": found}
    return Import(Pretrained(**pinned, model=model, layout=layout, file=file), records)


def _published(records: dict[str, Any], repo: str) -> Model | None:
    """The model of a run that noiseband published, without dropout; None if it did not.

    A config.json does not tell parts that the model lacks, such as biases, from those that change
    nothing, because the class has them.
    """
    recipe = records.get("recipe.json", {}).get("recipe")
    if not isinstance(recipe, dict) or "model" not in recipe:
        return None
    try:
        return Model.model_validate(recipe["model"]).model_copy(update={"dropout": 0.0})
    except ValidationError as error:
        said = one_line(str(error.errors()[0]["msg"]))
        raise UserError(f"{repo}: noiseband/recipe.json: not a recipe ({said})") from None


def _listed(repo: str, revision: str | None) -> tuple[str, set[str]]:
    """The commit that a revision stands for, and the names of its files."""
    from httpx2 import TransportError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    token = os.environ.get("HF_TOKEN") or False
    try:
        api = HfApi(endpoint=endpoint(), token=token)
        info = api.model_info(repo, revision=revision)
    except HFValidationError as error:
        raise UserError(f"{repo}: that is not a repository; write it as owner/name") from error
    except TransportError as error:
        kind = type(error).__name__
        raise UserError(f"{repo}: the Hub cannot be reached ({kind}); run again") from error
    except OSError as error:
        raise UserError(f"{repo}: {reason(error)}") from error
    return str(info.sha), {one.rfilename for one in info.siblings or []}


def _json(path: Path, source: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise UserError(f"{source}: not an object")
    return found


def complaints(study: Study, name: str, found: Import) -> list[str]:
    """The reasons why the study cannot take the model as a row with this name; empty if it can."""
    corpus = study.config.built_in.data.corpus
    tokenizer = tokenizer_of(study.config.corpora, corpus)
    said = [
        str(one) for one in check_pretrained(study.config.built_in, tokenizer, {name: found.source})
    ]
    if name in study.models:
        said.append(f"{name}: the study has a model of this name; give another one with --name")
    own = study.paths.vocabulary(corpus)
    theirs = found.record("provenance.json", "inputs").get("vocabulary")
    if theirs is not None and own.is_file() and artefact_digest(own) != theirs:
        said.append(
            f"it was trained on another vocabulary than {own}; compare it in a "
            "study whose tokenizer is its own"
        )
    return said
