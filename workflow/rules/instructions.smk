# Rows for instruction fine-tuning, and how many of their questions the models saw before: counted
# once for all models that are fine-tuned on the same rows and were trained on the same tokens.

SEEN = seen_questions(study)


rule instructions:
    input:
        # The user's own files, so that a change of them makes the rows again.
        files=lambda w: local(
            instruction_files(study.config.finetuning.instructions[w.instructions])
        ),
    output:
        PATHS.instructions("{instructions}") / "rows.jsonl",
    log:
        PATHS.log("instructions", "{instructions}"),
    # Before any long job: a bad row is told early.
    priority: 20
    params:
        code=code("corpus.instructions"),
        text=lambda w: InstructionsParams.of(study, w.instructions).text,
        out=subpath(output[0], parent=True),
    message:
        "Collecting instructions {wildcards.instructions}"
    shell:
        "noiseband instructions --params {params.text:q} --out {params.out:q} 2> {log:q}"


rule seen_questions:
    input:
        rows=lambda w: PATHS.instructions(SEEN[w.questions].instructions) / "rows.jsonl",
        # The tokens of each segment, and their vocabulary.
        training=lambda w: [
            file
            for segment in SEEN[w.questions].training
            for file in (
                PATHS.split(segment.corpus, "train"),
                PATHS.vocabulary(segment.corpus),
            )
        ],
    output:
        PATHS.seen_questions("{questions}"),
    log:
        PATHS.log("seen_questions", "{questions}"),
    benchmark:
        PATHS.benchmark("seen_questions", "{questions}")
    wildcard_constraints:
        questions=one_of(SEEN),
    params:
        code=code("evaluate.seen_questions"),
        text=lambda w: SEEN[w.questions].text,
    message:
        "Seen questions of {wildcards.questions}"
    shell:
        "noiseband seen-questions --params {params.text:q} --rows {input.rows:q} --out {output:q}"
        " {input.training:q} 2> {log:q}"
