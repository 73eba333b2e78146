# Scores for the answers of all models that were fine-tuned by one protocol.


def answers_of(wildcards):
    return [
        PATHS.finetuned(run, protocol, seed) / "answers.jsonl"
        for run, protocol, seed in finetuned_models(study)
        if protocol == wildcards.protocol
    ]


rule judge:
    input:
        code=code("judge"),
        answers=answers_of,
    output:
        PATHS.judged_round("{protocol}", "{round}"),
    log:
        PATHS.log("judge", "{protocol}/round-{round}"),
    benchmark:
        PATHS.benchmark("judge", "{protocol}/round-{round}")
    params:
        text=JudgeParams.of(study).text,
        # No rule declares it, so Snakemake keeps it, and no question is paid for twice.
        store=str(PATHS.work / "judge"),
    message:
        "Judging {wildcards.protocol}, round {wildcards.round}"
    shell:
        "noiseband judge --params {params.text:q} --round {wildcards.round} --store {params.store:q}"
        " --out {output:q} {input.answers:q} 2> {log:q}"
