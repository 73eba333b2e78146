# Test loss: all of a run's evaluations in one process.

# Of a run or a pretrained model: not `rules.train.output.model`, which would be of runs alone.
MODEL = f"{RESULTS}/runs/{{run}}/model.safetensors"


rule evaluate:
    input:
        code=code("evaluate"),
        model=MODEL,
        tokens=lambda w: f"{RESULTS}/tokens/{study.models[w.run].corpus}/test.safetensors",
        vocabulary=lambda w: f"{RESULTS}/tokens/{study.models[w.run].corpus}/vocabulary.tiktoken",
    output:
        f"{RESULTS}/runs/{{run}}/test_loss.json",
    log:
        f"{RESULTS}/logs/evaluate/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{run}}.tsv"
    params:
        text=lambda w: EvaluateParams.of(study, study.models[w.run]).text,
    message:
        "Test loss of {wildcards.run}"
    shell:
        "noiseband evaluate --params {params.text:q} --model {input.model:q}"
        " --tokens {input.tokens:q} --vocabulary {input.vocabulary:q} --out {output:q} 2> {log:q}"
