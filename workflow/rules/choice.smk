# Multiple choice and last words, by models of the built-in trainer and by those that a command
# exported.


rule evaluate_choice:
    input:
        **SHAPE,
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
        " --out {output.metrics:q} --items {output.each:q}"
        + SHAPE_OPTION
        + " 2> {log:q}"
