# Test loss: all evaluations of a run in one process. Contamination: counted once for all runs that
# have the same test window and were trained on the same tokens.

CONTAMINATION = contaminations(study)
SPLIT = study.config.evaluation.split

# Of a run or a pretrained model; `rules.train.output.model` would match runs only.
MODEL = PATHS.run("{run}") / "model.safetensors"


rule evaluate:
    input:
        code=code("evaluate.loss"),
        model=MODEL,
        tokens=lambda w: PATHS.split(study.measured_on(study.models[w.run]), SPLIT),
        vocabulary=lambda w: PATHS.vocabulary(study.measured_on(study.models[w.run])),
    output:
        PATHS.run("{run}") / "test_loss.json",
    log:
        PATHS.log("evaluate", "{run}"),
    benchmark:
        PATHS.benchmark("evaluate", "{run}")
    resources:
        gpu=gpus(lambda model: 1),
    params:
        text=lambda w: EvaluateParams.of(study, study.models[w.run]).text,
    message:
        "Test loss of {wildcards.run}"
    shell:
        "noiseband evaluate --params {params.text:q} --model {input.model:q}"
        " --tokens {input.tokens:q} --vocabulary {input.vocabulary:q} --out {output:q} 2> {log:q}"


rule contamination:
    input:
        code=code("evaluate.contamination"),
        tokens=lambda w: PATHS.split(CONTAMINATION[w.window].corpus, SPLIT),
        training=lambda w: [
            PATHS.split(segment.corpus, "train")
            for segment in CONTAMINATION[w.window].training
        ],
    output:
        PATHS.contamination("{window}"),
    log:
        PATHS.log("contamination", "{window}"),
    benchmark:
        PATHS.benchmark("contamination", "{window}")
    wildcard_constraints:
        window=one_of(CONTAMINATION),
    params:
        text=lambda w: CONTAMINATION[w.window].text,
    message:
        "Contamination of {wildcards.window}"
    shell:
        "noiseband contamination --params {params.text:q} --tokens {input.tokens:q} --out {output:q}"
        " {input.training:q} 2> {log:q}"
