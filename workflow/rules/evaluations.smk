# The loss on further corpora. Evaluations by other programs are in exported.smk.


def window_of(wildcards):
    """The corpus and the split on which a further loss is measured."""
    window = EVALUATIONS[wildcards.evaluation].loss
    return window.corpus or study.weights[wildcards.run].corpus, window.split


def fields_of(wildcards):
    """The fields of that split's documents, if the loss is sliced by one."""
    sliced = EVALUATIONS[wildcards.evaluation].loss.by is not None
    return PATHS.fields(*window_of(wildcards)) if sliced else []


rule evaluate_loss:
    input:
        model=MODEL,
        tokens=lambda w: PATHS.split(*window_of(w)),
        vocabulary=lambda w: PATHS.vocabulary(window_of(w)[0]),
        fields=fields_of,
        texts=lambda w: documents_of(window_of(w)[0], EVALUATIONS[w.evaluation].loss),
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
        texts=lambda w, input: options("--texts", input.texts),
    message:
        "Evaluating {wildcards.run}: {wildcards.evaluation}"
    shell:
        "noiseband evaluate-loss --params {params.text:q} --model {input.model:q}"
        " --tokens {input.tokens:q} --vocabulary {input.vocabulary:q}"
        " --out {output.metrics:q} --items {output.each:q} {params.texts:q} {input.fields:q} 2> {log:q}"
