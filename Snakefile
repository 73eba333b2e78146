# noiseband: did my change help, or is it noise?
#
#   snakemake --cores all results/report.html
#   snakemake --cores all --configfile my-study.yaml
#   snakemake --cores all results/runs/<run>/model.safetensors
#
# The rules are in workflow/rules, a file for each stage, included below in the order of the DAG.
# The code of a stage is in src/noiseband (docs/architecture.md).

from pathlib import Path

from snakemake.io import sourcecache_entry

from noiseband.dag.code import code_digest as code
from noiseband.plan.jobs import (
    command_resources,
    gpu_resource,
    training_resources,
)
from noiseband.study.command_params import (
    EXPORT,
    RESULT,
    VOLATILE,
    CommandParams,
    declared_files,
)
from noiseband.study.averages import averaged_over
from noiseband.study.contamination import contaminations
from noiseband.study.metrics import TIMED
from noiseband.study.mixtures import parts
from noiseband.study.data_needs import DataNeeds, ExportNeeds
from noiseband.study.data_params import (
    CorpusParams,
    FetchTokensParams,
    FieldsParams,
    InstructionsParams,
    MixParams,
    PackParams,
    TokenizeParams,
    VocabularyParams,
)
from noiseband.study.evaluation_params import EvaluationParams
from noiseband.study.evaluations import loss_windows
from noiseband.study.params import (
    EvaluateParams,
    FinetuneParams,
    InitParams,
    JudgeParams,
    PretrainedParams,
    RespondParams,
    StartsParams,
    TrainParams,
)
from noiseband.study.paths import average_in, snapshot_in
from noiseband.study.seen_questions import seen_questions
from noiseband.study.table_params import ReportParams, TablesParams, finetuned_models
from noiseband.study.weight_averages import averaged_weights, decays, means
from noiseband.dag.early import warn_of_adapters, warn_of_harness, warn_of_judge
from noiseband.evaluate.early import check_evaluations
from noiseband.dag.forks import fork_jobs
from noiseband.dag.orphans import sign_jobs
from noiseband.dag.planning import (
    collect_garbage_less_often,
    format_commands_once,
    look_behind_ancient_inputs,
    look_up_flags_faster,
    of_all,
    of_each,
    remember_signatures,
)
from noiseband.dag.scheduling import (
    forget_shared_checksums,
    handle_sigterm,
    limit_gpus,
    look_when_jobs_end,
    name_configs,
    no_checksums_in_storage,
    share_outputs,
)
from noiseband.dag.workflow import (
    repository_file,
    check_folders,
    instruction_files,
    local_files,
    one_of,
    report_assets,
    study_of,
)
from noiseband.study.artefacts import (
    FIGURES,
    SPLITS,
    VOLATILE_FIGURES,
    VOLATILE_TABLES,
    corpora_made_of,
    evaluated_files,
    deterministic_artefacts,
    judged_artefacts,
    page_inputs,
    trace_files,
    table_inputs,
    table_names,
)

# Not an unconditional `configfile:`: Snakemake would merge it with the one given on the command
# line, and a study would silently inherit keys of the default study.
if workflow.configfiles:
    name_configs(workflow.configfiles)
else:

    configfile: repository_file(workflow.basedir, "config/config.yaml")


report: "workflow/report/study.rst"


MACHINES = repository_file(workflow.basedir, "config/machines.yaml")
study = study_of(config, workflow.configfiles, MACHINES)
PATHS = study.paths
RUNS = list(study.runs)
MODELS = list(study.weights)  # runs, pretrained models, snapshots and averages
if workflow.is_main_process:
    check_folders(study)
    check_evaluations(study)
sign_jobs()
collect_garbage_less_often()
remember_signatures()
look_up_flags_faster()
format_commands_once()
look_behind_ancient_inputs()
limit_gpus(workflow)
share_outputs(workflow)
no_checksums_in_storage(workflow)


def everywhere(files):
    """Mark files of this repository, of which every machine has a copy, as not in the storage."""
    return [sourcecache_entry(file, file) for file in files]


# Whether jobs are sent to other computers, or this is one of those computers. None without `--jobs`,
# which every executor that sends jobs elsewhere needs.
elsewhere = None if workflow.nodes is None else lambda: not workflow.local_exec


def gpus(models, devices):
    """The resource `gpu`: `devices(model)` GPUs for a model, none on machines without GPUs."""
    if elsewhere is None:
        return of_all(models, devices)
    return gpu_resource(study, Path(MACHINES), elsewhere, devices)


wildcard_constraints:
    corpus=one_of(study.config.corpora),
    run=one_of(MODELS),
    protocol="[^/]+",
    seed="[0-9]+",


# One `onstart:` only: Snakemake runs the last of several.
onstart:
    handle_sigterm()
    look_when_jobs_end(workflow)
    forget_shared_checksums(workflow, study.results)
    warn_of_judge(workflow, study.config.judge)
    warn_of_harness(workflow, study.config.evaluations)
    warn_of_adapters(workflow, study)
    fork_jobs(workflow)


rule all:
    default_target: True
    input:
        PATHS.report,


# What a job needs besides the params to know a model's shape.
SHAPE, SHAPE_OPTION = {}, ""

if study.config.trainer is None:

    include: "workflow/rules/corpus.smk"
    include: "workflow/rules/instructions.smk"
    include: "workflow/rules/model.smk"
    include: "workflow/rules/train.smk"
    include: "workflow/rules/pretrained.smk"
    include: "workflow/rules/evaluate.smk"
    include: "workflow/rules/exported.smk"
    include: "workflow/rules/evaluations.smk"
    include: "workflow/rules/choice.smk"
    include: "workflow/rules/averages.smk"
    include: "workflow/rules/finetune.smk"
    include: "workflow/rules/judge.smk"


include: "workflow/rules/repro.smk"


if study.config.trainer is None:

    include: "workflow/rules/rerun.smk"

else:

    include: "workflow/rules/command.smk"
    include: "workflow/rules/exported.smk"
    include: "workflow/rules/convert.smk"
    include: "workflow/rules/choice.smk"


if study.config.trainer is not None and study.config.finetuning is not None:

    include: "workflow/rules/instructions.smk"
    include: "workflow/rules/finetune.smk"
    include: "workflow/rules/judge.smk"


include: "workflow/rules/report.smk"
