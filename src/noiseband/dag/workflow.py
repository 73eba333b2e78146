"""Helpers for the Snakefile: the study, and the files outside its results."""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from noiseband.dag.code import PACKAGE
from noiseband.errors import UserError
from noiseband.io.checksums import is_checksum
from noiseband.io.folders import chooses, files_in
from noiseband.study import Study, parse_study, read_yaml
from noiseband.study.corpora import Corpus, FileSource, TokenisedCorpus
from noiseband.study.dataset_source import DatasetSource, DatasetSplit
from noiseband.study.extend import EXTENDS, changed, extended
from noiseband.study.instructions import DatasetRows, FileRows, Instructions
from noiseband.study.machines import load_machines, machine_of
from noiseband.study.tokenizer_files import FileTokenizer
from noiseband.study.vocabularies import tokenizer_of
from noiseband.terminal import on_a_terminal

AHEAD = 1.0
"""Seconds by which the time of a file may be ahead, because clocks of computers differ a little."""


def one_of(names: Iterable[str]) -> str:
    """A wildcard's constraint: one of these names, or nothing at all if there are none.

    It is part of every path with the wildcard, and Snakemake parses these once for each job and
    file. A thousand names must therefore be short: runs that share their seeds are written as
    `(?:a|b)-(?:1|2)`.
    """
    tails: dict[str, list[str]] = {}
    for name in names:
        head, dash, tail = name.rpartition("-")
        tails.setdefault(re.escape(head + dash), []).append(re.escape(tail))
    heads: dict[tuple[str, ...], list[str]] = {}
    for head, own in tails.items():
        heads.setdefault(tuple(own), []).append(head)
    either = ("|".join(alike) for alike in heads.values())
    last = ("|".join(own) for own in heads)
    return "|".join(f"(?:{a})(?:{b})" for a, b in zip(either, last, strict=True)) or "(?!)"


def repository_file(snakefile: str, file: str) -> str:
    """A file of the repository, either in the folder in which the study runs (`--directory`) or in
    `snakefile`, the folder of the Snakefile."""
    return file if Path(file).exists() else os.path.relpath(Path(snakefile, file))


def report_assets() -> list[str]:
    """The templates, styles and scripts of the page."""
    files = (PACKAGE / "report" / "templates").rglob("*")
    return sorted(os.path.relpath(file) for file in files if file.is_file())


def study_of(config: dict[str, Any], files: list[str], machines: str) -> Study:
    """The study of Snakemake's merged config, checked against the table of machines.

    Snakemake reads YAML less strictly than we do, so the files are read a second time to find
    mistakes that it accepts, such as a duplicate key. A mistake ends the process with a message
    only, because an exception in a Snakefile would bury the message under a traceback.
    """
    try:
        # A path in `extends` is relative to the file it is in; the last such file counts.
        extending = [file for file in files if EXTENDS in (read_yaml(file) or {})]
        place = Path([*files[-1:], *extending][-1]) if files else None
        data = extended(config, place) if place else config
        source = ", ".join(map(str, files)) or "config"
        if place and _also_on_the_command_line(config, files):
            source += ", changed by --config"
        study = parse_study(data, source=source)
        # Without this check, only the report, at the very end, would find a machine missing.
        table = load_machines(Path(machines))
        for machine in dict.fromkeys(map(study.machine, study.runs.values())):
            machine_of(table, machine)
        return study
    except UserError as error:
        print(on_a_terminal(str(error)), file=sys.stderr)
        sys.exit(2)


def _also_on_the_command_line(config: dict[str, Any], files: Sequence[str]) -> bool:
    """Whether Snakemake's `--config key=value` has changed what the files say."""
    whole: dict[str, Any] = {}
    for file in files:
        whole = changed(whole, read_yaml(file) or {})
    return any(whole.get(key) != value for key, value in config.items())


def check_folders(study: Study) -> None:
    """End the process with a message if a folder of texts or tokens does not exist, or if Snakemake
    cannot work with one of the user's files.

    Otherwise only a job would notice that its patterns match no file, or fail at its end.
    """
    for place, key, folder in _folders(study):
        if not Path(folder).is_dir():
            print(
                f"{place}: {key}: {folder!r}: no such folder; give a path relative to the folder "
                "in which snakemake runs",
                file=sys.stderr,
            )
            sys.exit(2)
    for path in map(Path, _own_files(study)):
        problem = _unusable(path)
        if problem is not None:
            print(on_a_terminal(problem), file=sys.stderr)
            sys.exit(2)


def _folders(study: Study) -> Iterator[tuple[str, str, str]]:
    """The place in the config, the key and the name of each folder of texts, tokens or rows."""
    for name in study.read_corpora:
        chosen = study.config.corpora[name]
        sources: Sequence[Any] = []
        if isinstance(chosen, TokenisedCorpus):
            sources = [chosen.tokenised]
        elif isinstance(chosen, Corpus):
            sources = chosen.sources
        for source in sources:
            if isinstance(source, DatasetSource) and source.folder is not None:
                yield f"corpora.{name}", "dataset", source.folder
            elif getattr(source, "path", None) is not None:
                yield f"corpora.{name}", "path", source.path
    if study.config.finetuning is not None:
        for name, rows in study.config.finetuning.instructions.items():
            if isinstance(rows, DatasetRows) and rows.folder is not None:
                yield f"finetuning.instructions.{name}", "dataset", rows.folder


def _own_files(study: Study) -> Iterator[str]:
    """The files of the user that jobs read, apart from the config."""
    for name in study.read_corpora:
        yield from local_files(study, name)
        own = tokenizer_of(study.config.corpora, name)
        if isinstance(own, FileTokenizer) and own.path is not None:
            yield own.path
    for model in study.pretrained.values():
        if model.source.path is not None:
            yield f"{model.source.path}/{model.source.file}"
    if study.config.finetuning is not None:
        for rows in study.config.finetuning.instructions.values():
            yield from instruction_files(rows)


def _unusable(path: Path) -> str | None:
    """Why Snakemake cannot work with a file, and what to do; None if it can.

    It writes names as UTF-8, and it takes a result that is older than its input for a failure.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="replace")
        return f"{shown}: its name is not UTF-8; rename the file"
    if path.exists() and path.stat().st_mtime > time.time() + AHEAD:
        touch = shlex.join(["touch", str(path)])
        return (
            f"{path}: was changed in the future, so everything that is made from it would look out "
            f"of date; set the clock of the computer that wrote it, then `{touch}`"
        )
    return None


def local_files(study: Study, corpus: str) -> list[str]:
    """The local files that a corpus is read from, which are inputs; files of the Hub are not."""
    chosen = study.config.corpora[corpus]
    if isinstance(chosen, TokenisedCorpus):
        made = chosen.tokenised
        return [f"{made.path}/{file}" for file in made.files.values() if made.path]
    found = []
    for source in chosen.sources if isinstance(chosen, Corpus) else ():
        if isinstance(source, FileSource) and source.path:
            found += matching_files(source.path, source.files)
        elif isinstance(source, DatasetSource):
            found += _dataset_files(source)
    return [str(path) for path in found]


def instruction_files(rows: Instructions) -> list[str]:
    """The local files that instruction rows are read from, which are inputs."""
    if isinstance(rows, FileRows):
        return [rows.path]
    return [str(path) for path in _dataset_files(rows)] if isinstance(rows, DatasetRows) else []


def _dataset_files(split: DatasetSplit) -> list[Path]:
    return matching_files(split.folder, ["*"]) if split.folder else []


def matching_files(name: str, patterns: Sequence[str]) -> list[Path]:
    """The files of a source in a local folder.

    Empty if the folder does not exist; the rule's command then reports it.
    """
    folder = Path(name)
    return [
        folder / name
        for name in (files_in(folder) if folder.is_dir() else [])
        if not is_checksum(PurePosixPath(name)) and any(chooses(one, name) for one in patterns)
    ]
