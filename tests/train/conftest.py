"""A tiny training job on real files."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.vocabulary import load_encoding
from noiseband.model.init import write_init
from noiseband.study import parse_study
from noiseband.study.params import InitParams, TrainParams
from noiseband.train.trainer import Job

MakeJob = Callable[..., Job]


def files_of(job: Job) -> dict[str, str]:
    """A job's files in the folder that `make_job` made, by option of `train`."""
    folder = job.work.parent
    return {
        "--tokens": str(folder / "tokens.safetensors"),
        "--vocabulary": str(folder / "vocabulary.tiktoken"),
        "--init": str(job.init),
        "--work": str(job.work),
        "--out": str(job.out),
    }


def train_command(job: Job, processes: int = 1) -> list[str]:
    """The command line that trains the job, as the workflow's rule writes it."""
    options = [text for pair in files_of(job).items() for text in pair]
    command = [sys.executable, "-m", "noiseband", "train", "--params", job.params.text]
    return [*command, *options, "--processes", str(processes)]


@pytest.fixture
def make_job(tmp_path: Path, study_data: dict[str, Any], vocabulary: Path) -> MakeJob:
    """`make_job("name", **{"recipe key": value})` makes a job of 8 steps in its own folder."""
    study_data["recipe"]["model"]["vocabulary"] = 257
    study_data["corpora"]["text"]["tokenizer"]["vocabulary"] = 257
    study_data["interventions"] = {}
    study_data["seeds"] = {}
    study_data["noise"] = {"init_and_train": [42]}

    def make(name: str = "run", every: int = 3, **changes: Any) -> Job:
        recipe = deepcopy(study_data["recipe"])
        for dotted, value in changes.items():
            *sections, last = dotted.split(".")
            place = recipe
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = value
        study = parse_study({**study_data, "recipe": recipe, "checkpoints": {"every": every}})
        params = TrainParams.of(study, study.runs["baseline-42"])
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        count = params.recipe.last_token + 75
        if params.recipe.packed is not None:
            count = params.recipe.last_token // params.recipe.packed * (params.recipe.packed + 1)
        tokens = np.random.Generator(np.random.PCG64(0)).integers(0, 257, count, dtype=np.uint16)
        save_file({"tokens": tokens}, folder / "tokens.safetensors")
        shutil.copy(vocabulary, folder)
        start = InitParams.of(params.recipe)
        init = folder / "init.safetensors"
        write_init(start.model, start.method, start.seed, init, folder / "init.json")
        return Job(
            params=params,
            tokens=open_tokens(folder / "tokens.safetensors"),
            encoding=load_encoding(vocabulary),
            init=init,
            work=folder / "work",
            out=folder / "out",
        )

    return make
