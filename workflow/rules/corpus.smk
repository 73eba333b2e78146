# Raw text to tokens: documents in disjoint splits, a vocabulary, one token file a split. Tokens
# that others made are fetched instead.
# The first three and `init` can be shared between studies (profiles/sharing): hence no folder in
# their params, which are part of the key, and no benchmark, which Snakemake has none of for a hit.


rule corpus:
    input:
        files=lambda w: local(local_files(study, w.corpus)),
    output:
        train=f"{RESULTS}/corpus/{{corpus}}/train.jsonl",
        validation=f"{RESULTS}/corpus/{{corpus}}/validation.jsonl",
        test=f"{RESULTS}/corpus/{{corpus}}/test.jsonl",
        card=f"{RESULTS}/corpus/{{corpus}}/card.json",
    log:
        f"{RESULTS}/logs/corpus/{{corpus}}.log",
    wildcard_constraints:
        corpus=one_of(corpora_made_of(study, "text")),
    params:
        code=code("corpus.build"),
        text=lambda w: CorpusParams.of(study, w.corpus).text,
    message:
        "Reading corpus {wildcards.corpus}"
    shell:
        'noiseband corpus --params {params.text:q} --out "$(dirname {output.card:q})" 2> {log:q}'


def vocabulary_text(wildcards):
    """What a vocabulary is trained on; a published one needs nothing."""
    trained = study.config.corpora[wildcards.corpus].tokenizer.kind == "bpe"
    return rules.corpus.output.train if trained else []


rule vocabulary:
    input:
        text=vocabulary_text,
    output:
        f"{RESULTS}/tokens/{{corpus}}/vocabulary.tiktoken",
    log:
        f"{RESULTS}/logs/vocabulary/{{corpus}}.log",
    params:
        code=code("corpus.vocabulary"),
        text=lambda w: VocabularyParams.of(study, w.corpus).text,
    message:
        "Vocabulary of {wildcards.corpus}"
    shell:
        "noiseband vocabulary --params {params.text:q} --out {output:q} {input.text:q} 2> {log:q}"


rule tokenize:
    input:
        train=rules.corpus.output.train,
        validation=rules.corpus.output.validation,
        test=rules.corpus.output.test,
        vocabulary=rules.vocabulary.output[0],
    output:
        train=f"{RESULTS}/tokens/{{corpus}}/train.safetensors",
        validation=f"{RESULTS}/tokens/{{corpus}}/validation.safetensors",
        test=f"{RESULTS}/tokens/{{corpus}}/test.safetensors",
        card=f"{RESULTS}/tokens/{{corpus}}/card.json",
    log:
        f"{RESULTS}/logs/tokenize/{{corpus}}.log",
    wildcard_constraints:
        corpus=one_of(corpora_made_of(study, "text")),
    # As many as there are, up to these: Snakemake lowers them to --cores.
    threads: 16
    params:
        code=code("corpus.tokens"),
        text=lambda w: TokenizeParams.of(study, w.corpus).text,
    message:
        "Tokenizing {wildcards.corpus}"
    shell:
        'noiseband tokenize --params {params.text:q} --corpus "$(dirname {input.train:q})"'
        " --vocabulary {input.vocabulary:q} --workers {threads}"
        # Undeclared, so that Snakemake leaves it alone when the job is killed.
        " --work {RESULTS:q}/work/tokens/{wildcards.corpus}"
        ' --out "$(dirname {output.card:q})" 2> {log:q}'


rule fetch_tokens:
    input:
        files=lambda w: local(local_files(study, w.corpus)),
        vocabulary=rules.vocabulary.output[0],
    output:
        train=f"{RESULTS}/tokens/{{corpus}}/train.safetensors",
        validation=f"{RESULTS}/tokens/{{corpus}}/validation.safetensors",
        test=f"{RESULTS}/tokens/{{corpus}}/test.safetensors",
        card=f"{RESULTS}/tokens/{{corpus}}/card.json",
    log:
        f"{RESULTS}/logs/fetch_tokens/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_tokens/{{corpus}}.tsv"
    wildcard_constraints:
        corpus=one_of(corpora_made_of(study, "tokens")),
    params:
        code=code("hub.tokens"),
        text=lambda w: FetchTokensParams.of(study, w.corpus).text,
        out=subpath(output.card, parent=True),
    message:
        "Fetching tokens of {wildcards.corpus}"
    shell:
        "noiseband fetch-tokens --params {params.text:q} --vocabulary {input.vocabulary:q}"
        " --out {params.out:q} 2> {log:q}"


def instruction_file(wildcards):
    """Rows in a file of one's own are collected anew when it changes."""
    chosen = study.config.finetuning.instructions[wildcards.instructions]
    return local(chosen.path) if chosen.kind == "file" else []


rule instructions:
    input:
        file=instruction_file,
    output:
        f"{RESULTS}/instructions/{{instructions}}/rows.jsonl",
    log:
        f"{RESULTS}/logs/instructions/{{instructions}}.log",
    params:
        code=code("corpus.instructions"),
        text=lambda w: InstructionsParams.of(study, w.instructions).text,
        out=subpath(output[0], parent=True),
    message:
        "Collecting instructions {wildcards.instructions}"
    shell:
        "noiseband instructions --params {params.text:q} --out {params.out:q} 2> {log:q}"
