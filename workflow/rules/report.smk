# Tables, figures and the page: pure functions of what the other stages left on disk.


rule tables:
    input:
        code=code("report.tables"),
        results=table_inputs(study),
    output:
        report(
            expand(f"{RESULTS}/tables/{{name}}.csv", name=table_names(study)),
            category="Tables",
            caption="../report/table.rst",
        ),
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
        report(
            expand(f"{RESULTS}/figures/{{name}}.svg", name=FIGURES),
            category="Figures",
            caption="../report/figure.rst",
        ),
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
        machines=MACHINES,
        tables=rules.tables.output,
        figures=rules.figures.output,
        init=rules.verify_init.output,
        verify=expand(
            rules.verify_rerun.output, run=[run.name for run in study.repeats]
        ),
        manifest=rules.manifest.output,
    output:
        report(
            f"{RESULTS}/report.html", category="Answers", caption="../report/page.rst"
        ),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    params:
        text=ReportParams.of(study).text,
    message:
        "Report: {output}"
    shell:
        "noiseband report --params {params.text:q} --results {RESULTS:q}"
        " --machines {input.machines:q} --out {output:q} 2> {log:q}"
