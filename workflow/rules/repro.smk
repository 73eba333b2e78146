# Bits: which run is compared with which, and the manifest, which has the digest of every
# deterministic artefact.


def rerun_of(wildcards):
    """The second training of a run: a `repeat_of:` run is one itself; any other run is trained again
    on demand, by `snakemake results/verify/<run>.json`."""
    repeats = study.runs[wildcards.run].repeat_of is not None
    return PATHS.run(wildcards.run) if repeats else PATHS.rerun(wildcards.run)


def original_of(wildcards):
    return PATHS.run(study.runs[wildcards.run].repeat_of or wildcards.run)


rule manifest:
    input:
        artefacts=deterministic_artefacts(study),
        judged=judged_artefacts(study),
    output:
        report(
            PATHS.manifest,
            category="Bits",
            caption="../report/manifest.rst",
        ),
    log:
        PATHS.log("manifest"),
    params:
        code=code("repro.manifest"),
        results=subpath(output[0], parent=True),
        judged=lambda w, input: [p for file in input.judged for p in ("--judged", file)],
    message:
        "Digesting every artefact"
    shell:
        "noiseband manifest --results {params.results:q} --out {output:q} {input.artefacts:q}"
        " {params.judged:q} 2> {log:q}"
