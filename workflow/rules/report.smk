# Tables, figures and the page: pure functions of what the other stages left on disk.
# Long lists of input are functions: where a rule also names another's output, Snakemake hashes a
# list once for each of its files.


rule tables:
    input:
        code=code("analysis.tables", "published.comparison"),
        results=table_inputs(study),
    output:
        report(
            list(map(PATHS.table, table_names(study))),
            category="Tables",
            caption="../report/table.rst",
        ),
        answers=PATHS.tables / "answers.parquet",
    log:
        PATHS.log("tables"),
    benchmark:
        PATHS.benchmark("tables")
    params:
        text=TablesParams.of(study).text,
        results=subpath(output.answers, ancestor=2),
    message:
        "Tables"
    shell:
        "noiseband tables --params {params.text:q} --results {params.results:q} 2> {log:q}"


rule figures:
    input:
        code=code("report.figures"),
        tables=rules.tables.output,
        traces=lambda w: run_files(study, "trace.parquet"),
    output:
        report(
            list(map(PATHS.figure, FIGURES)),
            category="Figures",
            caption="../report/figure.rst",
        ),
    log:
        PATHS.log("figures"),
    benchmark:
        PATHS.benchmark("figures")
    params:
        text=TablesParams.of(study).text,
        results=subpath(output[0], ancestor=2),
    message:
        "Figures"
    shell:
        "noiseband figures --params {params.text:q} --results {params.results:q} 2> {log:q}"


rule report:
    input:
        code=code("report"),
        assets=everywhere(report_assets()),
        machines=everywhere([MACHINES]),
        tables=rules.tables.output,
        figures=rules.figures.output,
        init=rules.verify_init.output,
        verify=[PATHS.verified(run.name) for run in study.repeats],
        manifest=rules.manifest.output,
        artefacts=lambda w: deterministic_artefacts(study),
        judged=lambda w: judged_artefacts(study),
        volatile=lambda w: run_files(study, "timing.json", "provenance.json"),
    output:
        report(PATHS.report, category="Answers", caption="../report/page.rst"),
    log:
        PATHS.log("report"),
    benchmark:
        PATHS.benchmark("report")
    params:
        text=ReportParams.of(study).text,
        results=subpath(output[0], parent=True),
    message:
        "Report: {output}"
    shell:
        "noiseband report --params {params.text:q} --results {params.results:q}"
        " --machines {input.machines:q} --out {output:q} 2> {log:q}"
