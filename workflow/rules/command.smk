# Runs that a command of the user's own makes, in place of the rules of the built-in trainer. The
# command's work folder is named after run and digest. No rule declares it, so that Snakemake does
# not remove it when a run is killed.

TRAINER = study.config.trainer
DECLARED = declared_files(TRAINER.outputs)
EXPORTS = TRAINER.outputs.export is not None


def files_in(folder):
    """The files of a run in its folder, by name."""
    files = {name: folder / file for name, file in {**DECLARED, **VOLATILE}.items()}
    return files | ({"export": directory(folder / EXPORT)} if EXPORTS else {})


def processes_of(run):
    return study.processes(study.runs[run])


def gpus_of(run):
    return processes_of(run) if TRAINER.gpus is None else TRAINER.gpus


rule train_command:
    output:
        **files_in(PATHS.run("{run}")),
    log:
        PATHS.log("train", "{run}"),
    benchmark:
        PATHS.benchmark("train", "{run}")
    wildcard_constraints:
        run=one_of(RUNS),
    priority: 10
    threads: of_all(RUNS, lambda run: TRAINER.threads * processes_of(run))
    resources:
        # Time and the partition, for executors that send jobs to other computers.
        **command_resources(study, Path(MACHINES), elsewhere),
        # Resources, so that a change of them reruns nothing.
        processes=of_all(RUNS, processes_of),
        each=TRAINER.threads,
        # Apart from `gpu`, which a cluster's machine without GPUs does not have.
        devices=of_all(RUNS, gpus_of),
        # What only the check of `result.json` needs. Time and memory are measured here if need be.
        metrics=",".join(
            metric.name
            for metric in study.metrics
            if metric.name not in TIMED
            and metric.name.partition(".")[0] not in study.config.evaluations
        ),
        gpu=gpus(RUNS, gpus_of),
    params:
        code=code("train.collect"),
        text=of_each(lambda run: CommandParams.of(study, study.runs[run]).text),
        work=of_each(lambda run: str(PATHS.training(run, study.runs[run].recipe))),
        out=subpath(output.result, parent=True),
    message:
        "Training {wildcards.run}"
    shell:
        "noiseband train-command --params {params.text:q} --work {params.work:q}"
        " --processes {resources.processes} --gpus {resources.devices} --threads {resources.each}"
        " --metrics {resources.metrics:q} --out {params.out:q} 2> {log:q}"


use rule train_command as rerun_command with:
    output:
        **files_in(PATHS.rerun("{run}")),
    log:
        PATHS.log("rerun", "{run}"),
    benchmark:
        PATHS.benchmark("rerun", "{run}")
    params:
        code=rules.train_command.params.code,
        text=rules.train_command.params.text,
        work=str(PATHS.rerun("{run}") / "work"),
        out=subpath(output.result, parent=True),
    message:
        "Training {wildcards.run} afresh"


rule verify_command:
    input:
        rerun=lambda w: rerun_of(w) / RESULT,
        original=lambda w: original_of(w) / RESULT,
        outputs=lambda w: [
            of(w) / file
            for of in (rerun_of, original_of)
            for file in DECLARED.values()
        ],
    output:
        report(
            PATHS.verified("{run}"),
            category="Bits",
            caption="../report/rerun.rst",
        ),
    log:
        PATHS.log("verify_rerun", "{run}"),
    wildcard_constraints:
        run=one_of(RUNS),
    params:
        code=code("repro.command_rerun"),
        original=subpath(input.original, parent=True),
        rerun=subpath(input.rerun, parent=True),
        volatile=[
            word
            for metric in study.metrics
            if metric.volatile
            for word in ("--volatile", metric.name)
        ],
    message:
        "Comparing {wildcards.run} with a training afresh"
    shell:
        "noiseband verify-command {params.original:q} {params.rerun:q} --out {output:q}"
        " {params.volatile:q} 2> {log:q}"
