# The models that a command exported, in the form that fine-tuning and multiple choice read. What the
# two rules tell, a bad folder or a prompt that is too long, they tell as soon as the first run is
# finished.

CONVERTED = PATHS.converted("{run}")
MODEL, VOCABULARY = CONVERTED / "model.safetensors", CONVERTED / "vocabulary.tiktoken"


rule convert_export:
    input:
        export=PATHS.run("{run}") / EXPORT,
    output:
        model=MODEL,
        vocabulary=VOCABULARY,
        shape=CONVERTED / "shape.json",
    log:
        PATHS.log("convert_export", "{run}"),
    wildcard_constraints:
        run=one_of(RUNS),
    priority: 20
    params:
        code=code("hub.convert"),
        out=subpath(output.model, parent=True),
    message:
        "Converting the exported model of {wildcards.run}"
    shell:
        "noiseband convert-export --export {input.export:q} --out {params.out:q} 2> {log:q}"


# The jobs read the model's shape, which the params do not have.
SHAPE = {"shape": rules.convert_export.output.shape}
SHAPE_OPTION = " --shape {input.shape:q}"


rule check_export:
    input:
        shape=rules.convert_export.output.shape,
        vocabulary=rules.convert_export.output.vocabulary,
        rows=lambda w: [
            PATHS.instructions(name) / "rows.jsonl"
            for name in ExportNeeds.of(study, w.run).rows
        ],
    output:
        CONVERTED / "checked.json",
    log:
        PATHS.log("check_export", "{run}"),
    wildcard_constraints:
        run=one_of(RUNS),
    priority: 20
    params:
        code=code("repro.data_check"),
        text=lambda w: ExportNeeds.of(study, w.run).text,
    message:
        "Checking the exported model of {wildcards.run}"
    shell:
        "noiseband check-export --params {params.text:q} --shape {input.shape:q}"
        " --vocabulary {input.vocabulary:q} --out {output:q} {input.rows:q} 2> {log:q}"


# `ancient`, because another protocol must not tune the models of this one again.
CHECKED = ancient(CONVERTED / "checked.json")
