# Scores for the answers of all models fine-tuned by one protocol, a question at a time.


def answers_of(wildcards):
    return [
        f"{RESULTS}/runs/{run}/ift/{protocol}/{seed}/answers.jsonl"
        for run, protocol, seed in finetuned_models(study)
        if protocol == wildcards.protocol
    ]


rule judge:
    input:
        answers=answers_of,
    output:
        f"{RESULTS}/judge/{{protocol}}/round-{{round}}.jsonl",
    log:
        f"{RESULTS}/logs/judge/{{protocol}}/round-{{round}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/judge/{{protocol}}/round-{{round}}.tsv"
    params:
        code=code("judge.judge"),
        text=JudgeParams.of(study).text,
        # Undeclared, so that Snakemake leaves it alone: what was asked once is never paid twice.
        store=f"{RESULTS}/work/judge",
    message:
        "Judging {wildcards.protocol}, round {wildcards.round}"
    shell:
        "noiseband judge --params {params.text:q} --round {wildcards.round} --store {params.store:q}"
        " --out {output:q} {input.answers:q} 2> {log:q}"
