# Test loss: all of a run's evaluations in one process.


rule evaluate:
    input:
        code=code("evaluate"),
        model=rules.train.output.model,
        tokens=lambda w: f"{RESULTS}/tokens/{study.runs[w.run].recipe.data.corpus}/{study.config.evaluation.split}.safetensors",
        vocabulary=lambda w: f"{RESULTS}/tokens/{study.runs[w.run].recipe.data.corpus}/vocabulary.tiktoken",
    output:
        f"{RESULTS}/runs/{{run}}/test_loss.json",
    log:
        f"{RESULTS}/logs/evaluate/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{run}}.tsv"
    params:
        text=lambda w: EvaluateParams.of(study, study.runs[w.run]).text,
    message:
        "Test loss of {wildcards.run}"
    shell:
        "noiseband evaluate --params {params.text:q} --model {input.model:q}"
        " --tokens {input.tokens:q} --vocabulary {input.vocabulary:q} --out {output:q} 2> {log:q}"
