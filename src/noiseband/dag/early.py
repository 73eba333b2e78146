"""Say at the start of a study what its last stage will miss, hours later."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from noiseband.study import Study
from noiseband.study.evaluations import NEEDS_HARNESS, FurtherEvaluation
from noiseband.study.judges import Judge, LocalJudge, OpenAIJudge
from noiseband.terminal import tell


def warn_of_judge(workflow: Any, judge: Judge) -> None:
    """Print what the judge will miss, if this Snakemake is going to run jobs of it on this machine.

    These are warnings, because training does not need the judge, and what is missing may be there
    before its turn comes.
    """
    if workflow.nodes is None and any(
        job.rule.name == "judge" for job in workflow.dag.needrun_jobs()
    ):
        for sentence in missing(judge):
            tell(f"{sentence} (without it judging will stop, and everything else goes on)")


def warn_of_harness(workflow: Any, evaluations: Mapping[str, FurtherEvaluation]) -> None:
    """Print that lm-evaluation-harness is missing, if this Snakemake is going to run it here.

    A warning, because training does not need it either.
    """
    wanted = [name for name, one in evaluations.items() if one.kind == "harness"]
    if (
        wanted
        and workflow.nodes is None
        and find_spec("lm_eval") is None
        and any(job.rule.name == "evaluate_harness" for job in workflow.dag.needrun_jobs())
    ):
        tell(
            f"evaluations.{wanted[0]}.harness: {NEEDS_HARNESS} (without it these evaluations will "
            "stop, and everything else goes on)"
        )


def warn_of_adapters(workflow: Any, study: Study) -> None:
    """Print that the package of adapters is missing, if this Snakemake is going to train some here
    of models that a command makes. For other models, a job stops before anything trains."""
    tuning = study.config.finetuning
    protocols = {} if tuning is None else tuning.protocols
    wanted = [name for name, one in protocols.items() if one.method == "lora"]
    if (
        wanted
        and study.config.trainer is not None
        and workflow.nodes is None
        and find_spec("peft") is None
        and any(job.rule.name == "finetune" for job in workflow.dag.needrun_jobs())
    ):
        tell(
            f"finetuning.protocols.{wanted[0]}.method: lora needs the package peft; run `pip "
            "install 'noiseband[lora]'` (without it fine-tuning will stop, and everything else "
            "goes on)"
        )


def missing(judge: Judge) -> Iterator[str]:
    """Yield what the environment lacks for a judge, with the remedy."""
    if isinstance(judge, OpenAIJudge):
        name = judge.api_key_env
        if name is not None and not os.environ.get(name, "").strip():
            yield f"judge.api_key_env: {name} is not set; export it before judging begins"
    if isinstance(judge, LocalJudge):
        if not Path(judge.file).is_file():
            yield f"judge.file: {judge.file} is not there; put the GGUF file there"
        if find_spec("xllamacpp") is None:
            yield (
                "judge.kind: local needs the package xllamacpp; run "
                "`pip install 'noiseband[local-judge]'`"
            )
