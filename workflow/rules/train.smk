# One training run, from initial weights or from the weights of another run. Its checkpoints are in a
# work folder named after run and recipe, so that a repeat never resumes from its original. No rule
# declares the folder, so that Snakemake does not remove it when a run is killed.

TRAINING = of_all(RUNS, lambda run: study.training_tokens(study.runs[run]))
TRAINING_VOCABULARY = of_all(RUNS, lambda run: PATHS.vocabulary(study.runs[run].corpus))


def start_of(wildcards):
    return study.start_file(study.runs[wildcards.run])


def verified_start(wildcards):
    """Weights that should be the reference's are checked first. `ancient`, because the table also
    has the starting points of other runs, which must not retrain this run."""
    checked = study.runs[wildcards.run].recipe.init == "reference"
    return ancient(rules.verify_init.output.runs) if checked else []


def processes_of(run):
    return study.processes(study.runs[run])


def threads_of(run):
    """The threads of all processes together."""
    return study.runs[run].recipe.threads * processes_of(run)


def kept_in(run):
    """The snapshots and averages that training writes into a run's folder, and their digests."""
    last = 0 if study.config.snapshots is None else study.config.snapshots.last
    folders = {
        "snapshots": [snapshot_in(run, n) for n in range(1, last)],
        "averages": [average_in(run, name) for name in decays(study.config.averages)],
    }
    return {
        key: [
            folder / name
            for folder in each
            for name in ("model.safetensors", "model.json")
        ]
        for key, each in folders.items()
        if each
    }


rule train:
    input:
        tokens=TRAINING,
        vocabulary=TRAINING_VOCABULARY,
        init=start_of,
        verified=verified_start,
        checked=CHECKED,
    output:
        **kept_in(PATHS.run("{run}")),
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
    threads: of_all(RUNS, threads_of)
    resources:
        # Time, memory and nodes, for executors that send jobs to other computers.
        **training_resources(study, Path(MACHINES), elsewhere),
        # A resource, so that a change of it reruns nothing; a param only where it changes bits.
        processes=of_all(RUNS, processes_of),
        gpu=gpus(RUNS, processes_of),
    params:
        code=code("train.loop"),
        text=of_each(lambda run: TrainParams.of(study, study.runs[run]).text),
        processes=of_all(
            RUNS,
            lambda run: (
                processes_of(run)
                if study.runs[run].recipe.reduction == "allreduce"
                else "any"
            ),
        ),
        work=of_each(lambda run: str(PATHS.training(run, study.runs[run].recipe))),
        out=subpath(output.model, parent=True),
    message:
        "Training {wildcards.run}"
    shell:
        "{resources.launcher}noiseband train --params {params.text:q} --tokens {input.tokens:q}"
        " --vocabulary {input.vocabulary:q} --init {input.init:q}"
        " --work {params.work:q} --processes {resources.processes} --out {params.out:q} 2> {log:q}"
