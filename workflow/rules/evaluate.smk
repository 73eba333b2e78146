# Test loss: all of a run's evaluations in one process. Contamination: once for all runs that have
# the same test window and were trained on the same tokens.

CONTAMINATION = contaminations(study)

# Of a run or a pretrained model: not `rules.train.output.model`, which would be of runs alone.
MODEL = f"{RESULTS}/runs/{{run}}/model.safetensors"


rule evaluate:
    input:
        model=MODEL,
        tokens=lambda w: f"{RESULTS}/tokens/{study.measured_on(study.models[w.run])}/{study.config.evaluation.split}.safetensors",
        vocabulary=lambda w: f"{RESULTS}/tokens/{study.measured_on(study.models[w.run])}/vocabulary.tiktoken",
    output:
        f"{RESULTS}/runs/{{run}}/test_loss.json",
    log:
        f"{RESULTS}/logs/evaluate/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{run}}.tsv"
    resources:
        gpu=gpus(lambda model: 1),
    params:
        code=code("evaluate.loss"),
        text=lambda w: EvaluateParams.of(study, study.models[w.run]).text,
    message:
        "Test loss of {wildcards.run}"
    shell:
        "noiseband evaluate --params {params.text:q} --model {input.model:q}"
        " --tokens {input.tokens:q} --vocabulary {input.vocabulary:q} --out {output:q} 2> {log:q}"


rule contamination:
    input:
        tokens=lambda w: f"{RESULTS}/tokens/{CONTAMINATION[w.window].corpus}/{study.config.evaluation.split}.safetensors",
        training=lambda w: [
            f"{RESULTS}/tokens/{stretch.corpus}/train.safetensors"
            for stretch in CONTAMINATION[w.window].training
        ],
    output:
        f"{RESULTS}/contamination/{{window}}.json",
    log:
        f"{RESULTS}/logs/contamination/{{window}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/contamination/{{window}}.tsv"
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
