# Models that others trained. They are evaluated, fine-tuned and judged like runs.


def pretrained_files_of(wildcards):
    """The files of a model in a folder; none for the Hub, where the revision is pinned."""
    source = study.pretrained[wildcards.run].source
    if source.path is None:
        return []
    names = ["config.json", source.file] if source.layout == "gpt2" else [source.file]
    return local([f"{source.path}/{name}" for name in names])


rule pretrained:
    input:
        files=pretrained_files_of,
    output:
        model=PATHS.run("{run}") / "model.safetensors",
        digests=PATHS.run("{run}") / "model.json",
        card=PATHS.run("{run}") / "pretrained.json",
    log:
        PATHS.log("pretrained", "{run}"),
    benchmark:
        PATHS.benchmark("pretrained", "{run}")
    wildcard_constraints:
        run=one_of(study.pretrained),
    # Before any long job: a model that is missing or not what its config says is told early.
    priority: 20
    params:
        code=code("hub.pretrained"),
        text=lambda w: PretrainedParams.of(study.pretrained[w.run]).text,
        out=subpath(output.model, parent=True),
    message:
        "Fetching {wildcards.run}"
    shell:
        "noiseband pretrained --params {params.text:q} --out {params.out:q} 2> {log:q}"
