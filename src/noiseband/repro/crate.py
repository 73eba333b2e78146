"""Export a study as a Workflow Run RO-Crate: a self-contained folder with a machine-readable index.

The profile is https://w3id.org/ro/wfrun/workflow/0.5. The crate has the workflow, the resolved
config, the lock, tables, figures and page, and each run's recipe, trace, digests and provenance.
Weights are included on request; their digests always are.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from noiseband.errors import NotMadeError, UserError
from noiseband.io.files import read_json, write_text
from noiseband.repro.manifest import artefact_digest
from noiseband.study import Run, Study
from noiseband.study.command_params import VOLATILE, declared_files
from noiseband.study.ideas import plugins_of
from noiseband.study.user_files import files_of

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
WORKFLOW = ("workflow/rules/*.smk", "profiles/default/*.yaml", "constraints.txt")
"""Files of the project, besides the Snakefile, that define the workflow."""
STUDY = (
    "report.html", "manifest.json", "tables/*.csv", "tables/*.parquet", "figures/*.svg",
    "init/*.json", "verify/*.json", "contamination/*.json", "tokens/*/card.json",
    "corpus/*/card.json",
)  # fmt: skip
"""A study's results, except those of single runs."""
RUN = (
    "recipe.json", "provenance.json", "model.json", "trace.parquet", "samples.jsonl",
    "test_loss.json", "test_documents.csv", "timing.json",
)  # fmt: skip
PRETRAINED = ("pretrained.json", "model.json", "test_loss.json", "test_documents.csv")
"""Files of a pretrained model."""
WEIGHTS = "model.safetensors"
TYPES = {
    ".csv": "text/csv", ".html": "text/html", ".json": "application/json",
    ".jsonl": "application/jsonl", ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet", ".py": "text/x-python",
    ".safetensors": "application/octet-stream", ".smk": "text/plain", ".svg": "image/svg+xml",
    ".txt": "text/plain", ".yaml": "application/yaml",
}  # fmt: skip
README = """# {title}

A study by noiseband, with all that it takes to check its numbers.

- `report.html`: the answers. `tables/`, `figures/`: the same as data and pictures.
- `runs/<run>/`: each run's recipe, trace of all steps, samples, test loss, digests of its weights
  (`model.json`) and provenance.
- `config.json`: the resolved study. In a checkout of noiseband of the same version,
  `snakemake --cores all --configfile config.json` runs it again; then
  `noiseband verify results/manifest.json <this folder>/manifest.json` compares every artefact.
"""


def write_crate(study: Study, project: Path, out: Path, weights: bool = False) -> None:
    """Write the crate of a finished study.

    Args:
        study: the study; its results are on disk.
        project: folder of the Snakefile.
        out: a folder that does not exist yet, or a file that ends in `.zip`.
        weights: whether to include the runs' final weights.

    Raises:
        NotMadeError: the study is not finished.
        UserError: `out` exists already, or `project` has no Snakefile.
    """
    if out.exists():
        raise UserError(f"--out {out}: exists already; remove it or give another name")
    if not (project / "Snakefile").is_file():
        raise UserError(f"{project}: has no Snakefile; run the command in the project's folder")
    with tempfile.TemporaryDirectory() as folder:
        crate = _Crate(study, project, Path(folder))
        crate.fill(weights)
        if out.suffix == ".zip":
            crate.crate.write_zip(out)
        else:
            crate.crate.write(out)


@dataclass(frozen=True)
class _Span:
    """The time at which something ran, from its timing file."""

    begin: dt.datetime
    end: dt.datetime


class _Crate:
    """The crate while it is being built."""

    def __init__(self, study: Study, project: Path, scratch: Path) -> None:
        self.study = study
        self.results = study.results
        self.project = project
        self.scratch = scratch
        self.crate = ROCrate(version="1.1")

    def fill(self, weights: bool) -> None:
        crate, title = self.crate, self.study.config.title or self.study.config.study
        spans = {run.name: self._span(run) for run in self.study.runs.values()}
        crate.name = title
        crate.description = (
            f"A noiseband study of {len(self.study.runs)} training runs: which changes of a "
            "language model's recipe help, and which are within the noise of its seeds"
        )
        licence = {"@type": "CreativeWork", "name": "Apache License 2.0", "url": LICENCE}
        crate.add(ContextEntity(crate, LICENCE, properties=licence))
        crate.license = {"@id": LICENCE}
        crate.datePublished = max(span.end for span in spans.values())
        for identifier, name in PROFILES.items():
            profile = {"@type": "CreativeWork", "name": name, "version": identifier[-3:]}
            crate.add(ContextEntity(crate, identifier, properties=profile))
        crate.root_dataset["conformsTo"] = [{"@id": identifier} for identifier in PROFILES]
        workflow = self._workflow()
        config = self._config(workflow)
        self._readme(title)
        everything: list[Entity] = []
        software = self._software()
        for name, run in self.study.runs.items():
            folder = self.study.paths.run(name)
            files = [self._file(folder / file) for file in self._names(weights)]
            everything += files
            self._action(
                f"train-{name}", f"Training of {name}", software, self._inputs(run), files,
                spans[name],
            )  # fmt: skip
        own = [self._file(path) for path in _matching(self.results, STUDY)]
        own += [
            self._file(self.study.paths.run(name) / file)
            for name in self.study.pretrained
            for file in PRETRAINED
        ]
        page = next(file for file in own if file.id == "report.html")
        self._parameter(workflow, "output", "report", "The page that answers", page)
        whole = _Span(min(s.begin for s in spans.values()), max(s.end for s in spans.values()))
        self._action(
            "study", f"Execution of the study {self.study.config.study}", workflow, config,
            [*own, *everything], whole,
        )  # fmt: skip

    def _names(self, weights: bool) -> list[str]:
        """The names of a run's files in the crate."""
        trainer = self.study.config.trainer
        if trainer is None:
            return [*RUN, WEIGHTS] if weights else [*RUN]
        declared = declared_files(trainer.outputs).values()
        names = [name for name in declared if weights or name != WEIGHTS]
        return [*names, *VOLATILE.values()]

    def _workflow(self) -> Entity:
        """Add the Snakefile as the main entity, with the files that it includes."""
        software = self._versions()
        workflow = self.crate.add_workflow(
            self.project / "Snakefile", "Snakefile", main=True, lang="snakemake",
            lang_version=software.get("snakemake"),
            properties={
                "name": "noiseband", "version": software["noiseband"],
                "license": {"@id": LICENCE}, "encodingFormat": "text/plain",
                "conformsTo": {"@id": f"{BIOSCHEMAS}/ComputationalWorkflow/1.0-RELEASE"},
            },
        )  # fmt: skip
        parts = [
            self._file(path, path.relative_to(self.project).as_posix())
            for path in _matching(self.project, WORKFLOW)
        ]
        workflow["hasPart"] = parts
        return workflow

    def _readme(self, title: str) -> None:
        """Add the README for people who open the folder."""
        path = self.scratch / "README.md"
        write_text(path, README.format(title=title), checksum=False)
        readme = self._file(path, "README.md")
        readme["about"] = self.crate.root_dataset

    def _config(self, workflow: Entity) -> Entity:
        """Add the resolved config, with which `snakemake --configfile` runs the study again."""
        data = self.study.config.model_dump(mode="json")
        data["results"] = "results"  # the local path means nothing elsewhere
        path = self.scratch / "config.json"
        write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n", checksum=False)
        config = self._file(path, "config.json")
        self._parameter(workflow, "input", "config", "The study's resolved config", config)
        return config

    def _parameter(
        self, workflow: Entity, role: str, name: str, description: str, example: Entity
    ) -> None:
        """Add an input or output of the workflow, and the file that was used for it."""
        parameter = self.crate.add(
            ContextEntity(
                self.crate,
                f"#{name}",
                properties={
                    "@type": "FormalParameter",
                    "additionalType": "File",
                    "conformsTo": {"@id": f"{BIOSCHEMAS}/FormalParameter/1.0-RELEASE"},
                    "name": name,
                    "description": description,
                    "encodingFormat": example["encodingFormat"],
                },
            )
        )
        workflow[role] = parameter
        example["exampleOfWork"] = parameter

    def _software(self) -> Entity:
        """Add noiseband itself, with the packages that it ran with."""
        software = self._versions()
        return self.crate.add(
            ContextEntity(
                self.crate,
                "#noiseband",
                properties={
                    "@type": "SoftwareApplication",
                    "name": "noiseband train",
                    "version": software["noiseband"],
                    "softwareRequirements": [
                        f"{package} {version}"
                        for package, version in sorted(software.items())
                        if package != "noiseband"
                    ],
                },
            )
        )

    def _action(
        self,
        name: str,
        title: str,
        instrument: Entity,
        inputs: Entity | Sequence[Entity],
        outputs: Sequence[Entity],
        span: _Span,
    ) -> None:
        action = self.crate.add_action(
            instrument,
            identifier=f"#{name}",
            object=inputs,
            result=outputs,
            properties={
                "name": title,
                "description": f"{title}, to its end",
                "startTime": span.begin.isoformat(),
                "endTime": span.end.isoformat(),
                "actionStatus": "http://schema.org/CompletedActionStatus",
            },
        )
        self.crate.root_dataset.append_to("mentions", action)

    def _inputs(self, run: Run) -> list[Entity]:
        """The files with the digests of a run's inputs, tokens and initial weights, and the plugins
        with its ideas; for a command, its own files."""
        if self.study.config.trainer is not None:
            sources = [Path(given) for given in self.study.config.trainer.files]
            files = [path for source in sources for path in files_of(source)]
            return [self._file(path, f"trainer/{path.as_posix()}") for path in files]
        tokens = self.study.paths.tokens(run.corpus) / "card.json"
        digests = self.study.start_file(run).with_suffix(".json")
        plugins = [Path(path) for path in plugins_of(run.built_in)]
        return [
            *(self._file(path) for path in (tokens, digests)),
            *(self._file(path, f"plugins/{path.as_posix()}") for path in plugins),
        ]

    def _file(self, path: Path, destination: str | None = None) -> Entity:
        """Add a file to the crate, once. Raises NotMadeError if it does not exist."""
        destination = destination or path.relative_to(self.results).as_posix()
        known = self.crate.get(destination)
        if known is not None:
            return known
        if not path.is_file():
            raise NotMadeError(path)
        properties = {
            "name": destination,
            "encodingFormat": TYPES.get(path.suffix, "application/octet-stream"),
            "contentSize": str(path.stat().st_size),
            "sha256": artefact_digest(path),
        }
        return self.crate.add_file(path, destination, properties=properties)

    def _span(self, run: Run) -> _Span:
        path = self.study.paths.run(run.name) / "timing.json"
        if not path.is_file():
            raise NotMadeError(path)
        timing: dict[str, Any] = read_json(path)
        end = dt.datetime.fromisoformat(timing["finished"])
        return _Span(end - dt.timedelta(seconds=round(timing["seconds"])), end)

    def _versions(self) -> dict[str, str]:
        """The versions of the software that trained the baseline, by package."""
        path = self.study.paths.run(self.study.config.baseline) / "provenance.json"
        if not path.is_file():
            raise NotMadeError(path)
        versions: dict[str, str] = read_json(path)["software"]
        return versions


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]
