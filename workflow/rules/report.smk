# Tables, figures and the page: pure functions of what the other stages left on disk.
# Long lists of input are functions: where a rule also names another's output, Snakemake hashes a
# list once for each of its files.


rule tables:
    input:
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
        code=code("report.tables"),
        text=TablesParams.of(study).text,
        results=subpath(output.answers, ancestor=2),
    message:
        "Tables"
    shell:
        "noiseband tables --params {params.text:q} --results {params.results:q} 2> {log:q}"


rule figures:
    input:
        tables=rules.tables.output,
        traces=lambda w: run_files(study, "trace.parquet"),
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
        code=code("report.figures"),
        text=TablesParams.of(study).text,
        results=subpath(output[0], ancestor=2),
    message:
        "Figures"
    shell:
        "noiseband figures --params {params.text:q} --results {params.results:q} 2> {log:q}"


rule report:
    input:
        assets=everywhere(report_assets()),
        machines=everywhere([MACHINES]),
        tables=rules.tables.output,
        figures=rules.figures.output,
        init=rules.verify_init.output,
        verify=[f"{RESULTS}/verify/{run.name}.json" for run in study.repeats],
        manifest=rules.manifest.output,
        shown=lambda w: page_inputs(study),
    output:
        report(
            f"{RESULTS}/report.html", category="Answers", caption="../report/page.rst"
        ),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    params:
        code=code("report.page"),
        text=ReportParams.of(study).text,
        results=subpath(output[0], parent=True),
    message:
        "Report: {output}"
    shell:
        "noiseband report --params {params.text:q} --results {params.results:q}"
        " --machines {input.machines:q} --out {output:q} 2> {log:q}"
