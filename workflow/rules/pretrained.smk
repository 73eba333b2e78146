# Models that others trained, as if they were runs: evaluated, fine-tuned and judged like these.


def pretrained_files_of(wildcards):
    """Files of a model in a folder; those of the Hub are no inputs, since a revision is pinned."""
    source = study.pretrained[wildcards.run].source
    if source.path is None:
        return []
    names = ["config.json", source.file] if source.layout == "gpt2" else [source.file]
    return local([f"{source.path}/{name}" for name in names])


rule pretrained:
    input:
        files=pretrained_files_of,
    output:
        model=f"{RESULTS}/runs/{{run}}/model.safetensors",
        digests=f"{RESULTS}/runs/{{run}}/model.json",
        card=f"{RESULTS}/runs/{{run}}/pretrained.json",
    log:
        f"{RESULTS}/logs/pretrained/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrained/{{run}}.tsv"
    wildcard_constraints:
        run=one_of(study.pretrained),
    params:
        code=code("hub.pretrained"),
        text=lambda w: PretrainedParams.of(study.pretrained[w.run]).text,
        out=subpath(output.model, parent=True),
    message:
        "Fetching {wildcards.run}"
    shell:
        "noiseband pretrained --params {params.text:q} --out {params.out:q} 2> {log:q}"
