"""Params of the rules of further evaluations, and the digests of the user's files in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from noiseband.errors import UserError
from noiseband.study import user_files
from noiseband.study.architecture import Model
from noiseband.study.evaluations import FurtherEvaluation
from noiseband.study.ideas import code_of
from noiseband.study.pretrained import PretrainedModel
from noiseband.study.runs import Run, Study
from noiseband.study.section import ADDED, FixedMapping, Section
from noiseband.study.user_files import files_sha256


class EvaluationParams(Section):
    """Params of a further evaluation of one model."""

    model: Model | None
    """The model with its dropout set to 0; None for a run of a command, whose export has it.
    """
    attention: Literal["explicit", "sdpa"]
    run: str
    """Name of the run or pretrained model, or of a run's snapshot."""
    name: str
    """Name of the evaluation, with which the names of its metrics begin."""
    evaluation: FurtherEvaluation
    files: str | None
    """Digest of the user's files that decide the result; None if there are none."""
    plugins: Annotated[FixedMapping, ADDED] = {}
    """The plugins with the evaluation's metrics, each with the digest of its code."""

    @classmethod
    def of(cls, study: Study, run: str, name: str) -> Self:
        model, one = study.weights[run], study.config.evaluations[name]
        # Whether it is averaged concerns only the job that computes the mean.
        update: dict[str, object] = {"repeatable": True, "average": None}
        if one.loss is not None:
            # The corpus is left out because the input files determine it.
            update["loss"] = one.loss.model_copy(update={"corpus": None})
        by_command = study.config.trainer is not None
        return cls(
            model=None if by_command else _undropped(model),
            attention="explicit" if by_command else model.attention,
            run=run,
            name=name,
            evaluation=one.model_copy(update=update),
            files=digest_of(f"evaluations.{name}", one.paths),
            plugins=code_of(one.loss.metrics if one.loss else [], study.config.plugins),
        )

    @property
    def network(self) -> Model:
        """The model, for evaluations that read its weights themselves."""
        assert self.model is not None  # The command reads it if the params do not have it.
        return self.model

    def check_files(self) -> None:
        """Raise UserError if the user's files are not those that the params were made of."""
        key = f"evaluations.{self.name}"
        if digest_of(key, self.evaluation.paths) != self.files:
            names = ", ".join(self.evaluation.paths)
            raise UserError(
                f"{key}: {names}: changed after Snakemake started; start Snakemake again"
            )


def digest_of(key: str, paths: Iterable[str]) -> str | None:
    """The SHA-256 of the user's files, by name and content; None if there are none.

    Args:
        key: key of the evaluation in the config, for errors.
        paths: files and folders, relative to the folder in which the study runs.

    Raises:
        UserError: a path does not exist.
    """
    found = list(paths)
    for path in found:
        files_of(key, path)  # that they are there
    return files_sha256(found) if found else None


def files_of(key: str, path: str) -> list[Path]:
    """The file `path`, or those in the folder `path`, sorted, that may decide a result.

    Raises UserError if there is no such file or folder.
    """
    place = Path(path)
    if not place.is_dir() and not place.is_file():
        raise UserError(
            f"{key}: {path!r}: no such file or folder; give a path relative to the folder in which "
            "snakemake runs"
        )
    return list(user_files.files_of(place))


def _undropped(model: Run | PretrainedModel) -> Model:
    return model.model.model_copy(update={"dropout": 0.0})
