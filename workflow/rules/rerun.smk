# Bits: a run is trained a second time and compared with its original.


use rule train as rerun with:
    output:
        **kept_in(PATHS.rerun("{run}")),
        model=PATHS.rerun("{run}") / "model.safetensors",
        digests=PATHS.rerun("{run}") / "model.json",
        trace=PATHS.rerun("{run}") / "trace.parquet",
        samples=PATHS.rerun("{run}") / "samples.jsonl",
        recipe=PATHS.rerun("{run}") / "recipe.json",
        timing=PATHS.rerun("{run}") / "timing.json",
        provenance=PATHS.rerun("{run}") / "provenance.json",
    log:
        PATHS.log("rerun", "{run}"),
    benchmark:
        PATHS.benchmark("rerun", "{run}")
    params:
        code=rules.train.params.code,
        text=rules.train.params.text,
        processes=rules.train.params.processes,
        work=str(PATHS.rerun("{run}") / "work"),
        out=subpath(output.model, parent=True),
    message:
        "Training {wildcards.run} afresh"


rule verify_rerun:
    input:
        rerun=lambda w: rerun_of(w) / "model.safetensors",
        rerun_trace=lambda w: rerun_of(w) / "trace.parquet",
        original=lambda w: original_of(w) / "model.safetensors",
        original_trace=lambda w: original_of(w) / "trace.parquet",
        recipes=lambda w: [of(w) / "recipe.json" for of in (rerun_of, original_of)],
        # For training both again up to the first difference, if there is one.
        tokens=TRAINING,
        vocabulary=TRAINING_VOCABULARY,
        init=start_of,
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
    resources:
        gpu=gpus(RUNS, lambda run: 1),
    params:
        code=code("repro.rerun"),
        original=subpath(input.original, parent=True),
        rerun=subpath(input.rerun, parent=True),
        results=subpath(output[0], ancestor=2),
    message:
        "Comparing {wildcards.run} with a training afresh"
    shell:
        "noiseband verify-rerun {params.original:q} {params.rerun:q}"
        " --results {params.results:q} --out {output:q} 2> {log:q}"
