# Instruction fine-tuning of trained models, and their answers to the test questions.

IFT = PATHS.finetuned("{run}", "{protocol}", "{seed}")


def rows_of(wildcards):
    name = study.config.finetuning.protocols[wildcards.protocol].instructions
    return PATHS.instructions(name) / "rows.jsonl"


rule finetune:
    input:
        code=code("finetune.loop"),
        model=MODEL,
        vocabulary=rules.evaluate.input.vocabulary,
        rows=rows_of,
    output:
        model=IFT / "model.safetensors",
        epochs=IFT / "epochs.json",
    log:
        PATHS.log("finetune", "{run}/{protocol}-{seed}"),
    benchmark:
        PATHS.benchmark("finetune", "{run}/{protocol}-{seed}")
    resources:
        gpu=gpus(lambda model: 1),
    params:
        text=lambda w: FinetuneParams.of(study, study.models[w.run], w.protocol).text,
        out=subpath(output.model, parent=True),
    message:
        "Fine-tuning {wildcards.run} ({wildcards.protocol}, seed {wildcards.seed})"
    shell:
        "noiseband finetune --params {params.text:q} --seed {wildcards.seed} --model {input.model:q}"
        " --vocabulary {input.vocabulary:q} --rows {input.rows:q} --out {params.out:q} 2> {log:q}"


rule respond:
    input:
        code=code("finetune.respond"),
        model=rules.finetune.output.model,
        vocabulary=rules.evaluate.input.vocabulary,
        rows=rows_of,
    output:
        IFT / "answers.jsonl",
    log:
        PATHS.log("respond", "{run}/{protocol}-{seed}"),
    benchmark:
        PATHS.benchmark("respond", "{run}/{protocol}-{seed}")
    resources:
        gpu=gpus(lambda model: 1),
    params:
        text=lambda w: RespondParams.of(study, study.models[w.run], w.protocol).text,
    message:
        "Answers of {wildcards.run} ({wildcards.protocol}, seed {wildcards.seed})"
    shell:
        "noiseband respond --params {params.text:q} --model {input.model:q}"
        " --vocabulary {input.vocabulary:q} --rows {input.rows:q} --out {output:q} 2> {log:q}"
