# Further evaluations of each run and pretrained model: a rule for each kind. Jobs of the harness and
# of commands export the model themselves and remove the export in the end, because it is as large as
# the weights. A temporary output of a rule would run all of them again whenever one needs it.

EVALUATIONS = study.config.evaluations


def of_kind(kind):
    """The names of the evaluations of a kind, as a wildcard's constraint."""
    return one_of(name for name, one in EVALUATIONS.items() if one.kind == kind)


def window_of(wildcards):
    """The corpus and the split on which a further loss is measured."""
    window = EVALUATIONS[wildcards.evaluation].loss
    return window.corpus or study.models[wildcards.run].corpus, window.split


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


rule evaluate_loss:
    input:
        model=MODEL,
        tokens=lambda w: PATHS.split(*window_of(w)),
        vocabulary=lambda w: PATHS.vocabulary(window_of(w)[0]),
    output:
        metrics=PATHS.evaluation("{run}", "{evaluation}"),
        each=PATHS.evaluation_items("{run}", "{evaluation}"),
    log:
        PATHS.log("evaluate_loss", EVALUATION_LOG),
    benchmark:
        PATHS.benchmark("evaluate_loss", EVALUATION_LOG)
    wildcard_constraints:
        evaluation=of_kind("loss"),
    resources:
        gpu=ONE_GPU,
    params:
        code=code("evaluate.further_loss"),
        text=EVALUATION_PARAMS,
    message:
        "Evaluating {wildcards.run}: {wildcards.evaluation}"
    shell:
        "noiseband evaluate-loss --params {params.text:q} --model {input.model:q}"
        " --tokens {input.tokens:q} --vocabulary {input.vocabulary:q}"
        " --out {output.metrics:q} --items {output.each:q} 2> {log:q}"


rule evaluate_choice:
    input:
        model=MODEL,
        vocabulary=VOCABULARY,
    output:
        metrics=PATHS.evaluation("{run}", "{evaluation}"),
        each=PATHS.evaluation_items("{run}", "{evaluation}"),
    log:
        PATHS.log("evaluate_choice", EVALUATION_LOG),
    benchmark:
        PATHS.benchmark("evaluate_choice", EVALUATION_LOG)
    wildcard_constraints:
        evaluation=of_kind("choice"),
    resources:
        gpu=ONE_GPU,
    params:
        code=code("evaluate.choice"),
        text=EVALUATION_PARAMS,
        work=EVALUATING,
    message:
        "Evaluating {wildcards.run}: {wildcards.evaluation}"
    shell:
        "noiseband evaluate-choice --params {params.text:q} --model {input.model:q}"
        " --vocabulary {input.vocabulary:q} --work {params.work:q}"
        " --out {output.metrics:q} --items {output.each:q} 2> {log:q}"


rule evaluate_harness:
    input:
        model=MODEL,
        vocabulary=VOCABULARY,
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
        " --vocabulary {input.vocabulary:q} --work {params.work:q}"
        " --out {output.metrics:q} --items {output.each:q} 2> {log:q}"


rule evaluate_command:
    input:
        model=MODEL,
        vocabulary=VOCABULARY,
    output:
        PATHS.evaluation("{run}", "{evaluation}"),
    log:
        PATHS.log("evaluate_command", EVALUATION_LOG),
    benchmark:
        PATHS.benchmark("evaluate_command", EVALUATION_LOG)
    wildcard_constraints:
        evaluation=of_kind("command"),
    resources:
        gpu=gpu_of_command,
    params:
        code=code("evaluate.command", "hub.export"),
        text=EVALUATION_PARAMS,
        work=EVALUATING,
    message:
        "Evaluating {wildcards.run}: {wildcards.evaluation}"
    shell:
        "noiseband evaluate-command --params {params.text:q} --model {input.model:q}"
        " --vocabulary {input.vocabulary:q} --work {params.work:q} --out {output:q} 2> {log:q}"
