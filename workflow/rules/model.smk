# Initial weights: one file for each starting point, shared by all runs that start there. (A run
# that continues another starts from the other's final weights; see train.smk.)


rule init:
    input:
        code=code("model.init", "io.digests"),
    output:
        weights=PATHS.start("{start}"),
        digests=PATHS.start("{start}").with_suffix(".json"),
    log:
        PATHS.log("init", "{start}"),
    params:
        text=lambda w: InitParams.of(study.starts[w.start]).text,
    message:
        "Initial weights {wildcards.start}"
    shell:
        "noiseband init --params {params.text:q} --weights {output.weights:q}"
        " --digests {output.digests:q} 2> {log:q}"


rule verify_init:
    input:
        code=code("repro.starts"),
        digests=[PATHS.start(start).with_suffix(".json") for start in study.starts],
    output:
        runs=PATHS.table("init"),
        pairs=PATHS.table("starts"),
    log:
        PATHS.log("verify_init"),
    params:
        text=StartsParams.of(study).text,
    message:
        "Comparing initial weights"
    shell:
        "noiseband verify-init --params {params.text:q} --out {output.runs:q}"
        " --pairs {output.pairs:q} {input.digests:q} 2> {log:q}"
