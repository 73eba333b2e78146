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


def documents_of(corpus, evaluation):
    """The documents of an evaluation's split, whose bytes a loss in bits per byte needs."""
    return PATHS.texts(corpus, evaluation.split) if evaluation.in_bits else []


def options(name, file):
    """An option with its file, if there is one."""
    return [name, file] if file else []


rule evaluate:
    input:
        model=MODEL,
        tokens=of_all(MODELS, lambda run: PATHS.split(TESTED_ON[run], SPLIT)),
        vocabulary=VOCABULARY,
        texts=of_all(
            MODELS, lambda run: documents_of(TESTED_ON[run], study.config.evaluation)
        ),
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
        " --out {output.loss:q} --documents {output.documents:q} {input.texts:q} 2> {log:q}"


rule contamination:
    input:
        tokens=lambda w: PATHS.split(CONTAMINATION[w.window].corpus, SPLIT),
        training=lambda w: [
            PATHS.training_tokens(segment.corpus, segment.packed)
            for segment in CONTAMINATION[w.window].training
        ],
        vocabulary=lambda w: (
            PATHS.vocabulary(CONTAMINATION[w.window].corpus)
            if CONTAMINATION[w.window].end_of_text is None
            else []
        ),
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
        vocabulary=lambda w, input: options("--vocabulary", input.vocabulary),
    message:
        "Contamination of {wildcards.window}"
    shell:
        "noiseband contamination --params {params.text:q} --tokens {input.tokens:q} --out {output:q}"
        " {params.vocabulary:q} {input.training:q} 2> {log:q}"
