# Bits: a run trained afresh against its original, and the digest of every deterministic artefact.


def rerun_of(wildcards):
    """A `repeat_of:` run is the second training itself; any other run is trained again on demand,
    by `snakemake results/verify/<run>.json`."""
    repeats = study.runs[wildcards.run].repeat_of is not None
    return f"{RESULTS}/{'runs' if repeats else 'reruns'}/{wildcards.run}"


def original_of(wildcards):
    return f"{RESULTS}/runs/{study.runs[wildcards.run].repeat_of or wildcards.run}"


use rule train as rerun with:
    output:
        model=f"{RESULTS}/reruns/{{run}}/model.safetensors",
        digests=f"{RESULTS}/reruns/{{run}}/model.json",
        trace=f"{RESULTS}/reruns/{{run}}/trace.parquet",
        samples=f"{RESULTS}/reruns/{{run}}/samples.jsonl",
        recipe=f"{RESULTS}/reruns/{{run}}/recipe.json",
        timing=f"{RESULTS}/reruns/{{run}}/timing.json",
        provenance=f"{RESULTS}/reruns/{{run}}/provenance.json",
    log:
        f"{RESULTS}/logs/rerun/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/rerun/{{run}}.tsv"
    params:
        code=rules.train.params.code,
        text=rules.train.params.text,
        processes=rules.train.params.processes,
        work=f"{RESULTS}/reruns/{{run}}/work",
        out=subpath(output.model, parent=True),
    message:
        "Training {wildcards.run} afresh"


rule verify_rerun:
    input:
        rerun=lambda w: f"{rerun_of(w)}/model.safetensors",
        rerun_trace=lambda w: f"{rerun_of(w)}/trace.parquet",
        original=lambda w: f"{original_of(w)}/model.safetensors",
        original_trace=lambda w: f"{original_of(w)}/trace.parquet",
        recipes=lambda w: [f"{of(w)}/recipe.json" for of in (rerun_of, original_of)],
        # To train both anew up to the first difference, if there is one.
        tokens=rules.train.input.tokens,
        vocabulary=rules.train.input.vocabulary,
        init=rules.train.input.init,
    output:
        report(
            f"{RESULTS}/verify/{{run}}.json",
            category="Bits",
            caption="../report/rerun.rst",
        ),
    log:
        f"{RESULTS}/logs/verify_rerun/{{run}}.log",
    wildcard_constraints:
        run=one_of(RUNS),
    resources:
        gpu=gpus(lambda model: 1),
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


rule manifest:
    input:
        artefacts=deterministic_artefacts(study),
        judged=judged_artefacts(study),
    output:
        report(
            f"{RESULTS}/manifest.json",
            category="Bits",
            caption="../report/manifest.rst",
        ),
    log:
        f"{RESULTS}/logs/manifest.log",
    params:
        code=code("repro.manifest"),
        results=subpath(output[0], parent=True),
        judged=lambda w, input: [p for file in input.judged for p in ("--judged", file)],
    message:
        "Digesting every artefact"
    shell:
        "noiseband manifest --results {params.results:q} --out {output:q} {input.artefacts:q}"
        " {params.judged:q} 2> {log:q}"
