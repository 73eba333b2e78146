# Bits: a run trained afresh against its original, and the digest of every deterministic artefact.


rule verify_rerun:
    input:
        code=code("repro.compare"),
        rerun=f"{RESULTS}/runs/{{run}}/model.safetensors",
        rerun_trace=f"{RESULTS}/runs/{{run}}/trace.parquet",
        original=lambda w: f"{RESULTS}/runs/{study.runs[w.run].repeat_of}/model.safetensors",
        original_trace=lambda w: f"{RESULTS}/runs/{study.runs[w.run].repeat_of}/trace.parquet",
    output:
        f"{RESULTS}/verify/{{run}}.json",
    log:
        f"{RESULTS}/logs/verify_rerun/{{run}}.log",
    wildcard_constraints:
        run="|".join(run.name for run in study.repeats) or "none",
    params:
        original=lambda w: f"{RESULTS}/runs/{study.runs[w.run].repeat_of}",
        rerun=f"{RESULTS}/runs/{{run}}",
    message:
        "Comparing {wildcards.run} with its original"
    shell:
        "noiseband verify-rerun {params.original:q} {params.rerun:q} --out {output:q} 2> {log:q}"


rule manifest:
    input:
        code=code("repro.manifest"),
        artefacts=deterministic_artefacts(study),
    output:
        f"{RESULTS}/manifest.json",
    log:
        f"{RESULTS}/logs/manifest.log",
    params:
        results=RESULTS,
        artefacts=deterministic_artefacts(study),
    message:
        "Digesting every artefact"
    shell:
        "noiseband manifest --results {RESULTS:q} --out {output:q} {input.artefacts:q} 2> {log:q}"
