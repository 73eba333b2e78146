# One training run, from initial weights or from the weights of another run. Its checkpoints are in a
# work folder named after run and recipe, so that a repeat never resumes from its original. No rule
# declares the folder, so that Snakemake does not remove it when a run is killed.


rule train:
    input:
        code=code("train"),
        tokens=lambda w: PATHS.split(study.runs[w.run].corpus, "train"),
        vocabulary=lambda w: PATHS.vocabulary(study.runs[w.run].corpus),
        init=lambda w: study.start_file(study.runs[w.run]),
        # Weights that should be the reference's are checked first. `ancient`, because the table
        # also has the starting points of other runs, which must not retrain this run.
        verified=lambda w: (
            ancient(rules.verify_init.output.runs)
            if study.runs[w.run].recipe.init == "reference"
            else []
        ),
    output:
        model=PATHS.run("{run}") / "model.safetensors",
        digests=PATHS.run("{run}") / "model.json",
        trace=PATHS.run("{run}") / "trace.parquet",
        samples=PATHS.run("{run}") / "samples.jsonl",
        recipe=PATHS.run("{run}") / "recipe.json",
        timing=PATHS.run("{run}") / "timing.json",
        provenance=PATHS.run("{run}") / "provenance.json",
    log:
        PATHS.log("train", "{run}"),
    benchmark:
        PATHS.benchmark("train", "{run}")
    wildcard_constraints:
        run=one_of(RUNS),
    # Long jobs first: a short job can fill a gap at the end, a training run cannot.
    priority: 10
    threads: lambda w: study.runs[w.run].recipe.threads * study.processes(study.runs[w.run])
    resources:
        # Time, memory and nodes, for executors that send jobs to other computers.
        **training_resources(study, Path(MACHINES), elsewhere),
        # A resource, so that a change of it reruns nothing; a param only where it changes bits.
        processes=lambda w: study.processes(study.runs[w.run]),
        gpu=gpus(lambda run: study.processes(study.runs[run])),
    params:
        text=lambda w: TrainParams.of(study, study.runs[w.run]).text,
        processes=lambda w: (
            study.processes(study.runs[w.run])
            if study.runs[w.run].recipe.reduction == "allreduce"
            else "any"
        ),
        work=lambda w: str(PATHS.training(w.run, study.runs[w.run].recipe)),
        out=subpath(output.model, parent=True),
    message:
        "Training {wildcards.run}"
    shell:
        "{resources.launcher}noiseband train --params {params.text:q} --tokens {input.tokens:q}"
        " --vocabulary {input.vocabulary:q} --init {input.init:q}"
        " --work {params.work:q} --processes {resources.processes} --out {params.out:q} 2> {log:q}"
