# Tables, figures and the page: pure functions of the files of other stages.
# Long lists of input files are functions, because in a rule that also has another rule's output as
# input, Snakemake would hash a plain list once for each of its files.

TABLES = TablesParams.of(study)
BUILT_IN = study.config.trainer is None


rule tables:
    input:
        results=table_inputs(study),
    output:
        report(
            list(map(PATHS.table, table_names(study))),
            category="Tables",
            caption="../report/table.rst",
        ),
        volatile=list(map(PATHS.table, VOLATILE_TABLES)),
        answers=PATHS.tables / "answers.parquet",
    log:
        PATHS.log("tables"),
    benchmark:
        PATHS.benchmark("tables")
    params:
        code=code("analysis.tables", "published.comparison"),
        text=TABLES.text,
        results=subpath(output.answers, ancestor=2),
    message:
        "Tables"
    shell:
        "noiseband tables --params {params.text:q} --results {params.results:q} 2> {log:q}"


rule figures:
    input:
        tables=rules.tables.output,
        traces=lambda w: trace_files(study),
    output:
        report(
            list(map(PATHS.figure, FIGURES)),
            category="Figures",
            caption="../report/figure.rst",
        ),
        volatile=list(map(PATHS.figure, VOLATILE_FIGURES)),
    log:
        PATHS.log("figures"),
    benchmark:
        PATHS.benchmark("figures")
    params:
        code=code("report.figures"),
        text=TABLES.text,
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
        init=rules.verify_init.output if BUILT_IN else [],
        verify=[PATHS.verified(run.name) for run in study.repeats],
        manifest=rules.manifest.output,
        shown=lambda w: page_inputs(study),
    output:
        report(PATHS.report, category="Answers", caption="../report/page.rst"),
    log:
        PATHS.log("report"),
    benchmark:
        PATHS.benchmark("report")
    params:
        code=code("report.page"),
        text=ReportParams.of(study, TABLES).text,
        results=subpath(output[0], parent=True),
    message:
        "Report: {output}"
    shell:
        "noiseband report --params {params.text:q} --results {params.results:q}"
        " --machines {input.machines:q} --out {output:q} 2> {log:q}"
