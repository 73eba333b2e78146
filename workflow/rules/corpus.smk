# Raw text to tokens: documents in disjoint splits, a vocabulary, a token file for each split. Tokens
# that others made are fetched instead.
# Studies can share the outputs of the first three rules and of `init` (profiles/sharing). So these
# have no folder in their params, which are part of the key of the cache, and no benchmark, which
# Snakemake does not make for an output from the cache.


# No rule declares it, so that Snakemake does not remove it when a job is killed.
SHARDS = PATHS.work / "tokens"


rule corpus:
    input:
        files=lambda w: local(local_files(study, w.corpus)),
    output:
        train=PATHS.texts("{corpus}", "train"),
        validation=PATHS.texts("{corpus}", "validation"),
        test=PATHS.texts("{corpus}", "test"),
        card=PATHS.corpus("{corpus}") / "card.json",
    log:
        PATHS.log("corpus", "{corpus}"),
    wildcard_constraints:
        corpus=one_of(corpora_made_of(study, "text")),
    params:
        code=code("corpus.build", "corpus.embedded.readers"),
        text=lambda w: CorpusParams.of(study, w.corpus).text,
    message:
        "Reading corpus {wildcards.corpus}"
    shell:
        'noiseband corpus --params {params.text:q} --out "$(dirname {output.card:q})" 2> {log:q}'


rule document_fields:
    input:
        documents=PATHS.texts("{corpus}", "{split}"),
        files=lambda w: local(local_files(study, w.corpus)),
    output:
        PATHS.fields("{corpus}", "{split}"),
    log:
        PATHS.log("document_fields", "{corpus}-{split}"),
    wildcard_constraints:
        corpus=one_of(corpora_made_of(study, "text")),
        split="train|validation|test",
    params:
        code=code("corpus.fields"),
        text=lambda w: FieldsParams.of(study, w.corpus, w.split).text,
    message:
        "Fields of the documents of {wildcards.corpus}, {wildcards.split}"
    shell:
        "noiseband document-fields --params {params.text:q} --documents {input.documents:q}"
        " --out {output:q} 2> {log:q}"


def vocabulary_source(wildcards):
    """The split that a vocabulary is trained on, the vocabulary of the corpus that this one is like,
    or a tokenizer's own file; none for a published vocabulary and for a file of the Hub.
    """
    needed = VocabularyParams.of(study, wildcards.corpus)
    if needed.like is not None:
        return PATHS.vocabulary(needed.like)
    if needed.file is not None:
        return local(needed.file.path) if needed.file.path else []
    return rules.corpus.output.train if needed.kind == "bpe" else []


rule vocabulary:
    input:
        source=vocabulary_source,
    output:
        PATHS.vocabulary("{corpus}"),
    log:
        PATHS.log("vocabulary", "{corpus}"),
    params:
        code=code("corpus.vocabulary"),
        text=lambda w: VocabularyParams.of(study, w.corpus).text,
    message:
        "Vocabulary of {wildcards.corpus}"
    shell:
        "noiseband vocabulary --params {params.text:q} --out {output:q} {input.source:q} 2> {log:q}"


rule tokenize:
    input:
        train=rules.corpus.output.train,
        validation=rules.corpus.output.validation,
        test=rules.corpus.output.test,
        vocabulary=rules.vocabulary.output[0],
    output:
        train=PATHS.split("{corpus}", "train"),
        validation=PATHS.split("{corpus}", "validation"),
        test=PATHS.split("{corpus}", "test"),
        card=PATHS.tokens("{corpus}") / "card.json",
    log:
        PATHS.log("tokenize", "{corpus}"),
    wildcard_constraints:
        corpus=one_of(corpora_made_of(study, "text")),
    # At most: Snakemake lowers it to --cores.
    threads: 16
    params:
        code=code("corpus.tokens"),
        text=lambda w: TokenizeParams.of(study, w.corpus).text,
    message:
        "Tokenizing {wildcards.corpus}"
    shell:
        'noiseband tokenize --params {params.text:q} --corpus "$(dirname {input.train:q})"'
        " --vocabulary {input.vocabulary:q} --workers {threads}"
        " --work {SHARDS:q}/{wildcards.corpus}"
        ' --out "$(dirname {output.card:q})" 2> {log:q}'


rule fetch_tokens:
    input:
        files=lambda w: local(local_files(study, w.corpus)),
        vocabulary=rules.vocabulary.output[0],
    output:
        train=PATHS.split("{corpus}", "train"),
        validation=PATHS.split("{corpus}", "validation"),
        test=PATHS.split("{corpus}", "test"),
        card=PATHS.tokens("{corpus}") / "card.json",
    log:
        PATHS.log("fetch_tokens", "{corpus}"),
    benchmark:
        PATHS.benchmark("fetch_tokens", "{corpus}")
    wildcard_constraints:
        corpus=one_of(corpora_made_of(study, "tokens")),
    params:
        code=code("corpus.fetched_tokens"),
        text=lambda w: FetchTokensParams.of(study, w.corpus).text,
        out=subpath(output.card, parent=True),
    message:
        "Fetching tokens of {wildcards.corpus}"
    shell:
        "noiseband fetch-tokens --params {params.text:q} --vocabulary {input.vocabulary:q}"
        " --out {params.out:q} 2> {log:q}"


rule check_data:
    input:
        card=PATHS.tokens("{corpus}") / "card.json",
        vocabulary=PATHS.vocabulary("{corpus}"),
        rows=lambda w: [
            PATHS.instructions(name) / "rows.jsonl"
            for name in DataNeeds.of(study, w.corpus).rows
        ],
        sliced=lambda w: [
            file
            for split in DataNeeds.of(study, w.corpus).sliced
            for file in (PATHS.split(w.corpus, split), PATHS.fields(w.corpus, split))
        ],
    output:
        PATHS.checked("{corpus}"),
    log:
        PATHS.log("check_data", "{corpus}"),
    # Before any long job.
    priority: 20
    params:
        code=code("repro.data_check"),
        text=lambda w: DataNeeds.of(study, w.corpus).text,
        sliced=lambda w, input: [
            word for file in input.sliced for word in ("--sliced", file)
        ],
    message:
        "Checking the data of {wildcards.corpus}"
    shell:
        "noiseband check-data --params {params.text:q} --card {input.card:q}"
        " --vocabulary {input.vocabulary:q} --out {output:q} {params.sliced:q} {input.rows:q} 2> {log:q}"


def checked_corpora(name):
    """Checks of the corpora that a model reads and is measured on."""
    model = study.models[name]
    further = {
        window.corpus
        for _, window in loss_windows(study.config.evaluations)
        if window.corpus
    }
    return [
        PATHS.checked(corpus)
        for corpus in sorted({model.corpus, study.measured_on(model), *further})
    ]


# What the data alone can tell is told before anything trains. `ancient`, because the needs of other
# runs must not retrain this one.
CHECKED = of_all(
    study.models, lambda run: [ancient(file) for file in checked_corpora(run)]
)
