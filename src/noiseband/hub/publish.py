"""Write a finished run as a folder for the Hub: export, card, and the files that verify them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from noiseband.errors import NotMadeError, UserError
from noiseband.hub import export
from noiseband.hub.card import card_text
from noiseband.hub.tokenizer import SENTENCEPIECE
from noiseband.io.checksums import intact
from noiseband.io.files import atomic, write_text
from noiseband.study import Run, Study

RECORDS = (
    "recipe.json",
    "model.json",
    "trace.parquet",
    "samples.jsonl",
    "test_loss.json",
    "timing.json",
    "provenance.json",
)
"""Files of a run that are copied to `noiseband/`."""
CONFIG = "config.json"
"""The resolved study, which trains the run again; also in `noiseband/`."""
UNRELATED = {"results", "machine", "pretrained", "finetuning", "judge"}
"""Sections of the study that cannot change a run; some contain local paths."""


def published_files(folder: Path | None = None, run: Run | None = None) -> tuple[str, ...]:
    """The names of the files in the repository, in the order in which they are shown.

    Args:
        folder: what `write_publication` wrote, which says whether the tokenizer is SentencePiece's.
        run: the run, whose plugins are published at the paths that the config gives them.
    """
    records = (f"noiseband/{name}" for name in (CONFIG, *RECORDS))
    exported = list(export.FILES)
    if folder is not None and all((folder / name).exists() for name in SENTENCEPIECE):
        place = exported.index("tokenizer.json")
        exported[place : place + 1] = SENTENCEPIECE
    return ("README.md", *exported, *records, *(_plugins(run) if run is not None else ()))


def _plugins(run: Run) -> list[str]:
    """The plugins of a run. Raises UserError for one outside the folder of the study, which has no
    place in a repository."""
    found = sorted(run.built_in.plugins)
    for path in found:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise UserError(
                f"{path}: a plugin outside the study's folder cannot be published; move it there"
            )
    return found


def write_publication(study: Study, run: Run, repo: str, licence: str, out: Path) -> None:
    """Write all of `published_files` into `out`; equal results give equal bytes.

    Raises UserError if a file of the run is missing, or the tables describe another training.
    """
    folder = study.paths.run(run.name)
    vocabulary = study.paths.vocabulary(run.corpus)
    for path in (*(folder / name for name in (*RECORDS, "model.safetensors")), vocabulary):
        if not path.is_file():
            raise NotMadeError(path)
    card = card_text(study, run, repo, licence)
    export.write_export(folder / "model.safetensors", run.model, vocabulary, out)
    for name in RECORDS:
        with atomic(out / "noiseband" / name, checksum=False) as temporary:
            shutil.copyfile(intact(folder / name), temporary)
    config = study.config.model_dump(mode="json", exclude=UNRELATED)
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    write_text(out / "noiseband" / CONFIG, text, checksum=False)
    for name in _plugins(run):
        with atomic(out / name, checksum=False) as temporary:
            shutil.copyfile(name, temporary)
    write_text(out / "README.md", card, checksum=False)
