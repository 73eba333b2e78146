# noiseband: did my change help, or is it noise?
#
#   snakemake --cores all results/report.html
#   snakemake --cores all --configfile my-study.yaml
#   snakemake --cores all results/runs/<run>/model.safetensors
#
# The rules lie in workflow/rules, a file for each stage, in the order below. What each computes
# is in the folder of the same name under src/noiseband.

from noiseband.study.contamination import contaminations
from noiseband.study.params import (
    CorpusParams,
    EvaluateParams,
    FetchTokensParams,
    FinetuneParams,
    InitParams,
    InstructionsParams,
    ReportParams,
    PretrainedParams,
    RespondParams,
    JudgeParams,
    StartsParams,
    TablesParams,
    TokenizeParams,
    TrainParams,
    finetuned_models,
)
from noiseband.workflow import (
    FIGURES,
    code,
    corpora_made_of,
    deterministic_artefacts,
    one_of,
    judged_artefacts,
    local_files,
    report_assets,
    study_of,
    table_inputs,
    table_names,
)

# Not an unconditional `configfile:`, which Snakemake merges with the one given on the command
# line: a study would quietly inherit keys of the default one.
if not workflow.configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/study.rst"


study = study_of(config, workflow.configfiles)
RESULTS = study.config.results
RUNS = list(study.runs)
MACHINES = "config/machines.yaml"


wildcard_constraints:
    corpus=one_of(study.config.corpora),
    run=one_of(study.models),
    protocol="[^/]+",
    seed="[0-9]+",


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
