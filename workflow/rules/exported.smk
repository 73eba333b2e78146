# Further evaluations by programs that are not noiseband's, which read a model as an exported folder.
# A command may write one. Of the built-in trainer's model, each job makes it and removes it in the
# end, because it is as large as the weights; a temporary output of a rule would run all of them again
# whenever one needs it. What all rules of further evaluations share is here too.

if study.config.trainer is None:
    EXPORTED = {"model": MODEL, "vocabulary": VOCABULARY}
    VOCABULARY_OPTION = " --vocabulary {input.vocabulary:q}"
else:
    EXPORTED, VOCABULARY_OPTION = {"model": PATHS.run("{run}") / EXPORT}, ""

EVALUATIONS = study.config.evaluations


def of_kind(kind):
    """The names of the evaluations of a kind, as a wildcard's constraint."""
    return one_of(name for name, one in EVALUATIONS.items() if one.kind == kind)


EVALUATION_PARAMS = of_each(
    lambda run, evaluation: EvaluationParams.of(study, run, evaluation).text
)
EVALUATION_LOG = "{run}/{evaluation}"
EVALUATING = str(PATHS.evaluating("{run}", "{evaluation}"))
ONE_GPU = gpus(MODELS, lambda model: 1)


def gpu_of_command(wildcards):
    if not EVALUATIONS[wildcards.evaluation].gpu:
        return 0
    return ONE_GPU(wildcards) if callable(ONE_GPU) else ONE_GPU


rule evaluate_harness:
    input:
        **EXPORTED,
    output:
        metrics=PATHS.evaluation("{run}", "{evaluation}"),
        each=PATHS.evaluation_items("{run}", "{evaluation}"),
    log:
        PATHS.log("evaluate_harness", EVALUATION_LOG),
    benchmark:
        PATHS.benchmark("evaluate_harness", EVALUATION_LOG)
    wildcard_constraints:
        evaluation=of_kind("harness"),
    resources:
        gpu=ONE_GPU,
    params:
        code=code("evaluate.harness", "hub.export"),
        text=EVALUATION_PARAMS,
        work=EVALUATING,
    message:
        "Evaluating {wildcards.run}: {wildcards.evaluation}"
    shell:
        "noiseband evaluate-harness --params {params.text:q} --model {input.model:q}"
        + VOCABULARY_OPTION
        + " --work {params.work:q} --out {output.metrics:q} --items {output.each:q} 2> {log:q}"


COMMANDS = {name: one for name, one in EVALUATIONS.items() if one.kind == "command"}


rule evaluate_command:
    input:
        **EXPORTED,
    output:
        metrics=PATHS.evaluation("{run}", "{evaluation}"),
    log:
        PATHS.log("evaluate_command", EVALUATION_LOG),
    benchmark:
        PATHS.benchmark("evaluate_command", EVALUATION_LOG)
    wildcard_constraints:
        evaluation=one_of(name for name, one in COMMANDS.items() if not one.items),
    resources:
        gpu=gpu_of_command,
    params:
        code=code("evaluate.command", "hub.export"),
        text=EVALUATION_PARAMS,
        work=EVALUATING,
        each=[],
    message:
        "Evaluating {wildcards.run}: {wildcards.evaluation}"
    shell:
        "noiseband evaluate-command --params {params.text:q} --model {input.model:q}"
        + VOCABULARY_OPTION
        + " --work {params.work:q} --out {output.metrics:q} {params.each:q} 2> {log:q}"


use rule evaluate_command as evaluate_command_items with:
    output:
        metrics=PATHS.evaluation("{run}", "{evaluation}"),
        each=PATHS.evaluation_items("{run}", "{evaluation}"),
    wildcard_constraints:
        evaluation=one_of(name for name, one in COMMANDS.items() if one.items),
    params:
        code=rules.evaluate_command.params.code,
        text=EVALUATION_PARAMS,
        work=EVALUATING,
        each=lambda w, output: ["--items", output.each],
