"""The params of a run that a command makes, and the files in its folder."""

from __future__ import annotations

from typing import Any

from noiseband.study.free_recipe import CommandRecipe
from noiseband.study.runs import Run, Study
from noiseband.study.section import Section
from noiseband.study.trainer import Outputs, Trainer

RESULT = "result.json"
RECIPE = "recipe.json"
TRACE = "trace.parquet"
SAMPLES = "samples.jsonl"
WEIGHTS = "model.safetensors"
DIGESTS = "model.json"
EXPORT = "export"
"""Folder of the exported model."""
EXPORTED = "export.json"
"""Digests of the files in that folder."""
VOLATILE = {"timing": "timing.json", "provenance": "provenance.json"}
"""Files of every run that differ between reruns."""


def declared_files(outputs: Outputs) -> dict[str, str]:
    """The files of a run that reruns should repeat, each by a name. Of an exported model it is the
    file with its digests."""
    given = {
        "trace": (outputs.trace, {"trace": TRACE}),
        "samples": (outputs.samples, {"samples": SAMPLES}),
        "weights": (outputs.weights, {"model": WEIGHTS, "digests": DIGESTS}),
        "export": (outputs.export, {"exported": EXPORTED}),
    }
    files = {"result": RESULT, "recipe": RECIPE}
    for path, names in given.values():
        files |= names if path is not None else {}
    return files


class CommandParams(Section):
    """Params of `train_command`: the recipe, the command, and what it writes."""

    run: str
    intervention: str
    interventions: list[str]
    repeat_of: str | None
    continues: None = None
    """As in the card of a run of the built-in trainer; a command's run continues no other."""
    difference: dict[str, list[Any]]
    recipe: dict[str, Any]
    """What the command reads: its keys, and the seeds that it takes."""
    seeds: dict[str, int]
    """All three seeds of the run."""
    command: str
    files: list[str]
    files_sha256: str
    outputs: Outputs
    digest: str
    """SHA-256 of the recipe, the command and its files."""

    @classmethod
    def of(cls, study: Study, run: Run) -> CommandParams:
        trainer = trainer_of(study)
        assert isinstance(run.recipe, CommandRecipe)  # All runs of a study with `trainer` are.
        return cls(
            run=run.name,
            intervention=run.intervention,
            interventions=list(run.interventions),
            repeat_of=run.repeat_of,
            difference=run.difference,
            recipe=run.recipe.model_dump(),
            seeds=run.seeds._asdict(),
            command=trainer.command,
            files=trainer.files,
            files_sha256=trainer.files_sha256,
            outputs=trainer.outputs,
            digest=run.recipe.digest,
        )

    @property
    def trainer(self) -> Trainer:
        """The command as a trainer, with the files as they are now."""
        return Trainer(command=self.command, files=self.files, seeds=["init_seed"])

    @property
    def card(self) -> dict[str, Any]:
        """The content of `recipe.json`."""
        trainer = {
            "command": self.command,
            "files": self.files,
            "files_sha256": self.files_sha256,
            "outputs": self.outputs.model_dump(),
        }
        kept = self.model_dump(exclude={"command", "files", "files_sha256", "outputs", "digest"})
        return {**kept, "trainer": trainer, "digest": self.digest}


def trainer_of(study: Study) -> Trainer:
    """The trainer of a study whose runs a command makes."""
    assert study.config.trainer is not None  # Callers ask only in such studies.
    return study.config.trainer
