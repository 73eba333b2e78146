"""What the Snakefile needs before its rules: the study, and files that lie outside its results."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from noiseband.dag.code import PACKAGE
from noiseband.errors import UserError
from noiseband.io.checksums import is_checksum
from noiseband.study import Study, parse_study, read_yaml
from noiseband.study.corpora import FileSource, TokenisedCorpus
from noiseband.study.extend import EXTENDS, extended
from noiseband.study.machines import load_machines, machine_of
from noiseband.terminal import on_a_terminal


def one_of(names: Iterable[str]) -> str:
    """A wildcard's constraint: one of these names, and nothing at all where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def beside(snakefile: str, file: str) -> str:
    """A file of the repository: in the folder in which the study runs (`--directory`), or else in
    the folder `snakefile`, where the Snakefile is."""
    return file if Path(file).exists() else os.path.relpath(Path(snakefile, file))


def report_assets() -> list[str]:
    """Templates, styles and scripts of the page."""
    files = (PACKAGE / "report" / "templates").rglob("*")
    return sorted(os.path.relpath(file) for file in files if file.is_file())


def study_of(config: dict[str, Any], files: list[str], machines: str) -> Study:
    """The study of Snakemake's merged config, on a machine of the table.

    Snakemake reads YAML more loosely than we do, so the files are read a second time for what it
    lets pass, such as a key written twice. A mistake ends the process with its message alone:
    an exception in a Snakefile would bury it under a traceback.
    """
    try:
        # A path in `extends` starts at the file that says it, the last of those that do.
        extending = [file for file in files if EXTENDS in (read_yaml(file) or {})]
        data = extended(config, Path([*files[-1:], *extending][-1])) if files else config
        study = parse_study(data, source=", ".join(map(str, files)) or "config")
        # The report, which comes last, would be the first to miss one.
        table = load_machines(Path(machines))
        for machine in dict.fromkeys(map(study.machine, study.runs.values())):
            machine_of(table, machine)
        return study
    except UserError as error:
        print(on_a_terminal(str(error)), file=sys.stderr)
        sys.exit(2)


def check_folders(study: Study) -> None:
    """End with a line where a folder of texts or tokens is not there: a pattern that matches no
    file would be found out by the job alone."""
    for name in study.corpora:
        chosen = study.config.corpora[name]
        sources = [chosen.tokenised] if isinstance(chosen, TokenisedCorpus) else chosen.sources
        for source in sources:
            path = getattr(source, "path", None)
            if path is not None and not Path(path).is_dir():
                print(
                    f"corpora.{name}: path: {path!r}: no such folder; a path starts at the folder "
                    "in which snakemake runs",
                    file=sys.stderr,
                )
                sys.exit(2)


def local_files(study: Study, corpus: str) -> list[str]:
    """Files in folders that a corpus is read from. They are inputs; those of the Hub are none."""
    chosen = study.config.corpora[corpus]
    if isinstance(chosen, TokenisedCorpus):
        source = chosen.tokenised
        return [f"{source.path}/{file}" for file in source.files.values() if source.path]
    return [
        str(path)
        for source in chosen.sources
        if isinstance(source, FileSource) and source.path
        for path in matching_files(source)
    ]


def matching_files(source: FileSource) -> list[Path]:
    """Files of a source in a folder; none where the folder is not there, which the rule's command
    then says."""
    folder = Path(str(source.path))
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not is_checksum(path)
        and any(fnmatchcase(path.relative_to(folder).as_posix(), one) for one in source.files)
    )
