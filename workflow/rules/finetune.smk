# Instruction fine-tuning of a trained model, and its answers to the test questions.

IFT = f"{RESULTS}/runs/{{run}}/ift/{{protocol}}/{{seed}}"


def rows_of(wildcards):
    name = study.config.finetuning.protocols[wildcards.protocol].instructions
    return f"{RESULTS}/instructions/{name}/rows.jsonl"


rule finetune:
    input:
        model=MODEL,
        vocabulary=rules.evaluate.input.vocabulary,
        rows=rows_of,
    output:
        model=f"{IFT}/model.safetensors",
        epochs=f"{IFT}/epochs.json",
    log:
        f"{RESULTS}/logs/finetune/{{run}}/{{protocol}}-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/finetune/{{run}}/{{protocol}}-{{seed}}.tsv"
    resources:
        gpu=gpus(lambda model: 1),
    params:
        code=code("finetune.loop"),
        text=lambda w: FinetuneParams.of(study, study.models[w.run], w.protocol).text,
        out=subpath(output.model, parent=True),
    message:
        "Fine-tuning {wildcards.run} ({wildcards.protocol}, seed {wildcards.seed})"
    shell:
        "noiseband finetune --params {params.text:q} --seed {wildcards.seed} --model {input.model:q}"
        " --vocabulary {input.vocabulary:q} --rows {input.rows:q} --out {params.out:q} 2> {log:q}"


rule respond:
    input:
        model=rules.finetune.output.model,
        vocabulary=rules.evaluate.input.vocabulary,
        rows=rows_of,
    output:
        f"{IFT}/answers.jsonl",
    log:
        f"{RESULTS}/logs/respond/{{run}}/{{protocol}}-{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/respond/{{run}}/{{protocol}}-{{seed}}.tsv"
    resources:
        gpu=gpus(lambda model: 1),
    params:
        code=code("finetune.respond"),
        text=lambda w: RespondParams.of(study, study.models[w.run], w.protocol).text,
    message:
        "Answers of {wildcards.run} ({wildcards.protocol}, seed {wildcards.seed})"
    shell:
        "noiseband respond --params {params.text:q} --model {input.model:q}"
        " --vocabulary {input.vocabulary:q} --rows {input.rows:q} --out {output:q} 2> {log:q}"
