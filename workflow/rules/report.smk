# Tables, figures and the page: pure functions of what the other stages left on disk.


rule tables:
    input:
        code=code("report.tables"),
        results=table_inputs(study),
    output:
        expand(f"{RESULTS}/tables/{{name}}.csv", name=TABLES),
        answers=f"{RESULTS}/tables/answers.parquet",
    log:
        f"{RESULTS}/logs/tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables.tsv"
    params:
        text=TablesParams.of(study).text,
    message:
        "Tables"
    shell:
        "noiseband tables --params {params.text:q} --results {RESULTS:q} 2> {log:q}"


rule figures:
    input:
        code=code("report.figures"),
        tables=rules.tables.output,
        traces=expand(rules.train.output.trace, run=RUNS),
    output:
        expand(f"{RESULTS}/figures/{{name}}.svg", name=FIGURES),
    log:
        f"{RESULTS}/logs/figures.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures.tsv"
    params:
        text=TablesParams.of(study).text,
    message:
        "Figures"
    shell:
        "noiseband figures --params {params.text:q} --results {RESULTS:q} 2> {log:q}"


rule report:
    input:
        code=code("report"),
        assets=report_assets(),
        tables=rules.tables.output,
        figures=rules.figures.output,
        init=rules.verify_init.output,
        verify=expand(
            rules.verify_rerun.output, run=[run.name for run in study.repeats]
        ),
        manifest=rules.manifest.output,
    output:
        f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    params:
        text=TablesParams.of(study).text,
    message:
        "Report: {output}"
    shell:
        "noiseband report --params {params.text:q} --results {RESULTS:q} --out {output:q} 2> {log:q}"
