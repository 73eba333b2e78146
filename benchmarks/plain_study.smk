# The jobs and files of a study of 1,000 runs, without anything of noiseband: what Snakemake itself
# needs to plan them (snakemake -n -s benchmarks/plain_study.smk --cores all).

RUNS = [f"rate-{rate:02d}-{seed}" for rate in range(50) for seed in range(1, 21)]
FINETUNED = RUNS[::3]
CORPUS = ["results/tokens/train.safetensors", "results/tokens/vocabulary.tiktoken"]
RUN = "results/runs/{run}"


def each(runs, *names):
    return [f"results/runs/{run}/{name}" for run in runs for name in names]


wildcard_constraints:
    run="rate-[0-9]+-[0-9]+",


rule all:
    input:
        "results/report.html",


rule tokenize:
    output:
        CORPUS,
    shell:
        "touch {output}"


rule init:
    output:
        "results/init/{seed}.safetensors",
    shell:
        "touch {output}"


rule train:
    input:
        CORPUS,
        lambda w: f"results/init/{w.run.split('-')[-1]}.safetensors",
    output:
        f"{RUN}/model.safetensors",
        f"{RUN}/model.json",
        f"{RUN}/trace.parquet",
        f"{RUN}/samples.jsonl",
        f"{RUN}/recipe.json",
        f"{RUN}/timing.json",
        f"{RUN}/provenance.json",
    log:
        "results/logs/train/{run}.log",
    benchmark:
        "results/benchmarks/train/{run}.tsv"
    message:
        "Training {wildcards.run}"
    shell:
        "touch {output}"


rule evaluate:
    input:
        CORPUS,
        f"{RUN}/model.safetensors",
    output:
        f"{RUN}/test_loss.json",
        f"{RUN}/test_documents.csv",
    log:
        "results/logs/evaluate/{run}.log",
    benchmark:
        "results/benchmarks/evaluate/{run}.tsv"
    message:
        "Test loss of {wildcards.run}"
    shell:
        "touch {output}"


rule finetune:
    input:
        CORPUS,
        f"{RUN}/model.safetensors",
    output:
        f"{RUN}/ift/model.safetensors",
        f"{RUN}/ift/epochs.json",
    log:
        "results/logs/finetune/{run}.log",
    benchmark:
        "results/benchmarks/finetune/{run}.tsv"
    message:
        "Fine-tuning {wildcards.run}"
    shell:
        "touch {output}"


rule respond:
    input:
        CORPUS,
        f"{RUN}/ift/model.safetensors",
    output:
        f"{RUN}/ift/answers.jsonl",
    log:
        "results/logs/respond/{run}.log",
    benchmark:
        "results/benchmarks/respond/{run}.tsv"
    message:
        "Answers of {wildcards.run}"
    shell:
        "touch {output}"


rule tables:
    input:
        each(RUNS, "recipe.json", "model.json", "trace.parquet"),
        each(RUNS, "test_loss.json", "test_documents.csv"),
        each(FINETUNED, "ift/epochs.json", "ift/answers.jsonl"),
    output:
        "results/tables.csv",
    shell:
        "touch {output}"


rule figures:
    input:
        "results/tables.csv",
        lambda w: each(RUNS, "trace.parquet"),
    output:
        "results/figures.svg",
    shell:
        "touch {output}"


rule manifest:
    input:
        "results/tables.csv",
        "results/figures.svg",
        lambda w: each(
            RUNS,
            "recipe.json",
            "model.safetensors",
            "model.json",
            "trace.parquet",
            "samples.jsonl",
            "test_loss.json",
            "test_documents.csv",
        ),
        lambda w: each(
            FINETUNED, "ift/model.safetensors", "ift/epochs.json", "ift/answers.jsonl"
        ),
    output:
        "results/manifest.json",
    shell:
        "touch {output}"


rule report:
    input:
        "results/tables.csv",
        "results/figures.svg",
        "results/manifest.json",
        lambda w: each(
            RUNS, "recipe.json", "samples.jsonl", "timing.json", "provenance.json"
        ),
        lambda w: each(FINETUNED, "ift/answers.jsonl"),
    output:
        "results/report.html",
    shell:
        "touch {output}"
