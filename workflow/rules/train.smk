# One training run, from initial weights or from another run's. Its checkpoints lie in an undeclared
# work folder keyed by run and recipe, so that Snakemake leaves them alone when a run is killed, and
# a repeat never resumes its original.


rule train:
    input:
        tokens=lambda w: f"{RESULTS}/tokens/{study.runs[w.run].recipe.data.corpus}/train.safetensors",
        vocabulary=lambda w: f"{RESULTS}/tokens/{study.runs[w.run].recipe.data.corpus}/vocabulary.tiktoken",
        init=lambda w: f"{RESULTS}/{study.start_file(study.runs[w.run])}",
        # Weights that claim to be the reference's are checked first. That table also has the
        # starts of all other runs, which are none of this run's concern: hence `ancient`.
        verified=lambda w: (
            ancient(rules.verify_init.output.runs)
            if study.runs[w.run].recipe.init == "reference"
            else []
        ),
    output:
        model=f"{RESULTS}/runs/{{run}}/model.safetensors",
        digests=f"{RESULTS}/runs/{{run}}/model.json",
        trace=f"{RESULTS}/runs/{{run}}/trace.parquet",
        samples=f"{RESULTS}/runs/{{run}}/samples.jsonl",
        recipe=f"{RESULTS}/runs/{{run}}/recipe.json",
        timing=f"{RESULTS}/runs/{{run}}/timing.json",
        provenance=f"{RESULTS}/runs/{{run}}/provenance.json",
    log:
        f"{RESULTS}/logs/train/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{run}}.tsv"
    wildcard_constraints:
        run=one_of(RUNS),
    # Long jobs first: a short one can fill the gap at the end, a training run cannot.
    priority: 10
    threads: lambda w: study.runs[w.run].recipe.threads * study.processes(study.runs[w.run])
    resources:
        # Time, memory and nodes, for executors that send jobs elsewhere.
        **training_resources(study, Path(MACHINES), elsewhere),
        # Not a param where it changes no bits: then a change of it reruns nothing.
        processes=lambda w: study.processes(study.runs[w.run]),
        gpu=gpus(lambda run: study.processes(study.runs[run])),
    params:
        code=code("train.loop"),
        text=lambda w: TrainParams.of(study, study.runs[w.run]).text,
        processes=lambda w: (
            study.processes(study.runs[w.run])
            if study.runs[w.run].recipe.reduction == "allreduce"
            else "any"
        ),
        work=lambda w: f"{RESULTS}/work/{w.run}-{study.runs[w.run].recipe.digest[:16]}",
        out=subpath(output.model, parent=True),
    message:
        "Training {wildcards.run}"
    shell:
        "{resources.launcher}noiseband train --params {params.text:q} --tokens {input.tokens:q}"
        " --vocabulary {input.vocabulary:q} --init {input.init:q}"
        " --work {params.work:q} --processes {resources.processes} --out {params.out:q} 2> {log:q}"
