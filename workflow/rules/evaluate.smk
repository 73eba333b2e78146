# Test loss: all evaluations of a run in one process. Contamination: counted once for all runs that
# have the same test window and were trained on the same tokens.

CONTAMINATION = contaminations(study)
SPLIT = study.config.evaluation.split

# Of a run, a pretrained model, a snapshot or an average; `rules.train.output.model` would match runs only.
MODEL = PATHS.run("{run}") / "model.safetensors"
if len(study.weights) > len(study.models):
    MODEL = of_each(lambda run: study.weights_file(run))

TESTED_ON = {name: study.measured_on(model) for name, model in study.weights.items()}
VOCABULARY = of_all(MODELS, lambda run: PATHS.vocabulary(TESTED_ON[run]))


rule evaluate:
    input:
        model=MODEL,
        tokens=of_all(MODELS, lambda run: PATHS.split(TESTED_ON[run], SPLIT)),
        vocabulary=VOCABULARY,
    output:
        loss=PATHS.run("{run}") / "test_loss.json",
        documents=PATHS.documents("{run}"),
    log:
        PATHS.log("evaluate", "{run}"),
    benchmark:
        PATHS.benchmark("evaluate", "{run}")
    resources:
        gpu=gpus(MODELS, lambda model: 1),
    params:
        code=code("evaluate.loss"),
        text=of_each(lambda run: EvaluateParams.of(study, study.weights[run]).text),
    message:
        "Test loss of {wildcards.run}"
    shell:
        "noiseband evaluate --params {params.text:q} --model {input.model:q}"
        " --tokens {input.tokens:q} --vocabulary {input.vocabulary:q}"
        " --out {output.loss:q} --documents {output.documents:q} 2> {log:q}"


rule contamination:
    input:
        tokens=lambda w: PATHS.split(CONTAMINATION[w.window].corpus, SPLIT),
        training=lambda w: [
            PATHS.training_tokens(segment.corpus, segment.packed)
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
        code=code("evaluate.contamination"),
        text=lambda w: CONTAMINATION[w.window].text,
    message:
        "Contamination of {wildcards.window}"
    shell:
        "noiseband contamination --params {params.text:q} --tokens {input.tokens:q} --out {output:q}"
        " {input.training:q} 2> {log:q}"
