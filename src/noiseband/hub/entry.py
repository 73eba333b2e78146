"""What others published, as an entry of a study's `pretrained:`, its digests checked."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load_file

from noiseband.errors import UserError
from noiseband.hub.gpt2 import DEFAULTS, FIELDS, check_config, from_gpt2
from noiseband.hub.reference import from_reference, shape_of
from noiseband.io.checksums import file_sha256
from noiseband.io.digests import digest
from noiseband.io.hub_files import endpoint, fetch_file, reason
from noiseband.repro.manifest import artefact_digest
from noiseband.study import Study
from noiseband.study.pretrained import Pretrained, check_pretrained
from noiseband.study.recipe import Model
from noiseband.terminal import one_line

CONFIG, WEIGHTS = "config.json", "model.safetensors"
RECORDS = ("recipe.json", "model.json", "test_loss.json", "provenance.json")
"""Of `noiseband/`, where the model is a run that noiseband published."""


@dataclass(frozen=True)
class Import:
    """A model on the Hub that was downloaded and looked at."""

    source: Pretrained
    """The entry, with pinned revision and digests."""
    records: dict[str, Any]
    """Contents of `RECORDS`; empty where noiseband did not publish it."""

    def record(self, file: str, key: str) -> dict[str, Any]:
        """A mapping in one of the records; empty where it has none."""
        found = self.records.get(file, {}).get(key)
        return found if isinstance(found, dict) else {}

    def entry(self) -> dict[str, Any]:
        """As it is written in a config."""
        text: dict[str, Any] = self.source.model_dump(exclude_defaults=True, mode="json")
        return text


def import_model(
    repo: str, revision: str | None, file: str = WEIGHTS, heads: int | None = None
) -> Import:
    """Download a published model, check it, and pin it.

    Args:
        revision: branch, tag or commit; None takes the default branch. The entry has the commit.
        file: its weights: of a GPT2LMHeadModel, or a safetensors file by the reference's names.
        heads: attention heads, which weights by the reference's names do not tell.

    Raises:
        UserError: it cannot be had, is another kind of model, or its weights are not those whose
            digest was published with it.
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
        if config.get("model_type") == "gpt2":
            layout: Literal["gpt2", "reference"] = "gpt2"
            model = _shape(config, repo)
            if published := records.get("model.json"):
                # Its biases are zeros where the run had none.
                had = "trf_blocks.0.att.W_query.bias" in published.get("tensors", {})
                model = model.model_copy(update={"qkv_bias": had})
            own = from_gpt2(tensors, model, source)
        else:
            if heads is None:
                raise UserError(f"{repo}: give --heads: its weights do not tell how many there are")
            layout = "reference"
            model = shape_of(tensors, heads, source)
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


def _listed(repo: str, revision: str | None) -> tuple[str, set[str]]:
    """The commit that a revision is, and the files there."""
    from httpx2 import TransportError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    token = os.environ.get("HF_TOKEN") or False
    try:
        api = HfApi(endpoint=endpoint(), token=token)
        info = api.model_info(repo, revision=revision)
    except HFValidationError as error:
        raise UserError(f"{repo}: that is no repository; write it as owner/name") from error
    except TransportError as error:
        kind = type(error).__name__
        raise UserError(f"{repo}: the Hub cannot be reached ({kind}); run again") from error
    except OSError as error:
        raise UserError(f"{repo}: {reason(error)}") from error
    return str(info.sha), {one.rfilename for one in info.siblings or []}


def _shape(config: dict[str, Any], repo: str) -> Model:
    """Of a GPT2LMHeadModel, with biases, which it always has."""
    try:
        values = {ours: config.get(theirs, DEFAULTS.get(theirs)) for theirs, ours in FIELDS.items()}
        model = Model(**values, qkv_bias=True, dropout=0.0)
    except ValueError as error:
        raise UserError(f"{repo}: {CONFIG}: not the config of a GPT-2 ({error})") from None
    check_config(config, model, f"{repo}: {CONFIG}")
    return model


def _json(path: Path, source: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise UserError(f"{source}: not an object")
    return found


def complaints(study: Study, name: str, found: Import) -> list[str]:
    """Why the study cannot take the model as a row of that name, if so."""
    corpus = study.config.recipe.data.corpus
    tokenizer = study.config.corpora[corpus].tokenizer
    said = [
        str(one) for one in check_pretrained(study.config.recipe, tokenizer, {name: found.source})
    ]
    if name in study.models:
        said.append(f"{name}: the study has a model of that name; give another one with --name")
    own = study.paths.vocabulary(corpus)
    theirs = found.record("provenance.json", "inputs").get("vocabulary")
    if theirs is not None and own.is_file() and artefact_digest(own) != theirs:
        said.append(
            f"it was trained on another vocabulary than {own}; compare it in a "
            "study whose tokenizer is its own"
        )
    return said
