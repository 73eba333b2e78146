# noiseband: did my change help, or is it noise?
#
#   snakemake --cores all results/report.html
#   snakemake --cores all --configfile my-study.yaml
#   snakemake --cores all results/runs/<run>/model.safetensors
#
# The rules lie in workflow/rules, a file for each stage, in the order below. What each computes
# is in the folder of the same name under src/noiseband.

from pathlib import Path

from snakemake.io import sourcecache_entry

from noiseband.dag.code import code_digest as code
from noiseband.plan.jobs import gpu_resource, training_resources
from noiseband.study.contamination import contaminations
from noiseband.study.data_params import (
    CorpusParams,
    FetchTokensParams,
    InstructionsParams,
    TokenizeParams,
    VocabularyParams,
)
from noiseband.study.params import (
    EvaluateParams,
    FinetuneParams,
    InitParams,
    ReportParams,
    PretrainedParams,
    RespondParams,
    JudgeParams,
    StartsParams,
    TablesParams,
    TrainParams,
    finetuned_models,
)
from noiseband.orphans import sign_jobs
from noiseband.scheduling import (
    forget_shared_sums,
    hear_sigterm,
    limit_gpus,
    look_when_jobs_end,
    name_configs,
    no_sums_in_storage,
    seek_garbage_less_often,
    share_outputs,
)
from noiseband.workflow import (
    FIGURES,
    beside,
    check_folders,
    corpora_made_of,
    deterministic_artefacts,
    one_of,
    judged_artefacts,
    local_files,
    page_inputs,
    report_assets,
    run_files,
    study_of,
    table_inputs,
    table_names,
)

# Not an unconditional `configfile:`, which Snakemake merges with the one given on the command
# line: a study would quietly inherit keys of the default one.
if workflow.configfiles:
    name_configs(workflow.configfiles)
else:

    configfile: beside(workflow.basedir, "config/config.yaml")


report: "workflow/report/study.rst"


MACHINES = beside(workflow.basedir, "config/machines.yaml")
study = study_of(config, workflow.configfiles, MACHINES)
RESULTS = study.config.results
RUNS = list(study.runs)
if workflow.is_main_process:
    check_folders(study)
sign_jobs()
seek_garbage_less_often()
limit_gpus(workflow)
share_outputs(workflow)
no_sums_in_storage(workflow)


def everywhere(files):
    """Files of this repository, which every machine has a copy of: never in a default storage."""
    return [sourcecache_entry(file, file) for file in files]


# Whether jobs are sent to other computers, or this is one of those. None without `--jobs`, which an
# executor that sends them needs.
elsewhere = None if workflow.nodes is None else lambda: not workflow.local_exec


def gpus(devices):
    """Resource `gpu`: so many for each model; none on machines without."""
    return gpu_resource(study, Path(MACHINES), elsewhere, devices)


wildcard_constraints:
    corpus=one_of(study.config.corpora),
    run=one_of(study.models),
    protocol="[^/]+",
    seed="[0-9]+",


# One alone: of two, Snakemake runs the last.
onstart:
    hear_sigterm()
    look_when_jobs_end(workflow)
    forget_shared_sums(workflow, RESULTS)


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",


include: "workflow/rules/corpus.smk"
include: "workflow/rules/model.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/pretrained.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/repro.smk"
include: "workflow/rules/report.smk"
