# Instruction fine-tuning of trained models, and their answers to the test questions.

IFT = PATHS.finetuned("{run}", "{protocol}", "{seed}")


PROTOCOLS = study.config.finetuning.protocols if study.config.finetuning else {}
ROWS = of_all(
    PROTOCOLS,
    lambda protocol: PATHS.instructions(PROTOCOLS[protocol].instructions)
    / "rows.jsonl",
)


rule finetune:
    input:
        **SHAPE,
        model=MODEL,
        vocabulary=VOCABULARY,
        rows=ROWS,
        checked=CHECKED,
    output:
        model=IFT / "model.safetensors",
        epochs=IFT / "epochs.json",
    log:
        PATHS.log("finetune", "{run}/{protocol}-{seed}"),
    benchmark:
        PATHS.benchmark("finetune", "{run}/{protocol}-{seed}")
    resources:
        gpu=gpus(MODELS, lambda model: 1),
    params:
        code=code("finetune.loop"),
        text=of_each(
            lambda run, protocol: FinetuneParams.of(
                study, study.models[run], protocol
            ).text
        ),
        out=subpath(output.model, parent=True),
    message:
        "Fine-tuning {wildcards.run} ({wildcards.protocol}, seed {wildcards.seed})"
    shell:
        "noiseband finetune --params {params.text:q} --seed {wildcards.seed} --model {input.model:q}"
        " --vocabulary {input.vocabulary:q} --rows {input.rows:q} --out {params.out:q}"
        + SHAPE_OPTION
        + " 2> {log:q}"


rule respond:
    input:
        **SHAPE,
        model=rules.finetune.output.model,
        vocabulary=VOCABULARY,
        rows=ROWS,
    output:
        IFT / "answers.jsonl",
    log:
        PATHS.log("respond", "{run}/{protocol}-{seed}"),
    benchmark:
        PATHS.benchmark("respond", "{run}/{protocol}-{seed}")
    resources:
        gpu=gpus(MODELS, lambda model: 1),
    params:
        code=code("finetune.respond"),
        text=of_each(
            lambda run, protocol: RespondParams.of(
                study, study.models[run], protocol
            ).text
        ),
    message:
        "Answers of {wildcards.run} ({wildcards.protocol}, seed {wildcards.seed})"
    shell:
        "noiseband respond --params {params.text:q} --model {input.model:q}"
        " --vocabulary {input.vocabulary:q} --rows {input.rows:q} --out {output:q}"
        + SHAPE_OPTION
        + " 2> {log:q}"
