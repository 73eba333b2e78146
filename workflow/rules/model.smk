# Initial weights: one file for each starting point, shared by all runs that start there. (A run
# that continues another starts from that one's final weights, in train.smk.)


rule init:
    output:
        weights=f"{RESULTS}/init/{{start}}.safetensors",
        digests=f"{RESULTS}/init/{{start}}.json",
    log:
        f"{RESULTS}/logs/init/{{start}}.log",
    params:
        code=code("model.init", "repro.digest"),
        text=lambda w: InitParams.of(study.starts[w.start]).text,
    message:
        "Initial weights {wildcards.start}"
    shell:
        "noiseband init --params {params.text:q} --weights {output.weights:q}"
        " --digests {output.digests:q} 2> {log:q}"


rule verify_init:
    input:
        digests=[f"{RESULTS}/init/{start}.json" for start in study.starts],
    output:
        runs=f"{RESULTS}/tables/init.csv",
        pairs=f"{RESULTS}/tables/starts.csv",
    log:
        f"{RESULTS}/logs/verify_init.log",
    params:
        code=code("repro.starts"),
        text=StartsParams.of(study).text,
    message:
        "Comparing initial weights"
    shell:
        "noiseband verify-init --params {params.text:q} --out {output.runs:q}"
        " --pairs {output.pairs:q} {input.digests:q} 2> {log:q}"
