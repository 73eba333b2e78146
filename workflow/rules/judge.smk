# Scores for the answers of all models fine-tuned by one protocol, a question at a time.


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
        # Undeclared, so that Snakemake leaves it alone: what was asked once is never paid twice.
        store=str(PATHS.work / "judge"),
    message:
        "Judging {wildcards.protocol}, round {wildcards.round}"
    shell:
        "noiseband judge --params {params.text:q} --round {wildcards.round} --store {params.store:q}"
        " --out {output:q} {input.answers:q} 2> {log:q}"
