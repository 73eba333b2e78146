# Raw text to tokens: documents in disjoint splits, a vocabulary, one token file a split. Tokens
# that others made are fetched instead.


rule corpus:
    input:
        code=code("corpus.build"),
        files=lambda w: local_files(study, w.corpus),
    output:
        train=f"{RESULTS}/corpus/{{corpus}}/train.jsonl",
        validation=f"{RESULTS}/corpus/{{corpus}}/validation.jsonl",
        test=f"{RESULTS}/corpus/{{corpus}}/test.jsonl",
        card=f"{RESULTS}/corpus/{{corpus}}/card.json",
    log:
        f"{RESULTS}/logs/corpus/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/corpus/{{corpus}}.tsv"
    wildcard_constraints:
        corpus=one_of(corpora_made_of(study, "text")),
    params:
        text=lambda w: CorpusParams.of(study, w.corpus).text,
        out=subpath(output.card, parent=True),
    message:
        "Reading corpus {wildcards.corpus}"
    shell:
        "noiseband corpus --params {params.text:q} --out {params.out:q} 2> {log:q}"


def vocabulary_folder(wildcards):
    """Where the text is that a vocabulary is trained on; a published one needs none."""
    trained = study.config.corpora[wildcards.corpus].tokenizer.kind == "bpe"
    return [f"{RESULTS}/corpus/{wildcards.corpus}"] if trained else []


rule vocabulary:
    input:
        code=code("corpus.vocabulary"),
        train=lambda w: [f"{folder}/train.jsonl" for folder in vocabulary_folder(w)],
    output:
        f"{RESULTS}/tokens/{{corpus}}/vocabulary.tiktoken",
    log:
        f"{RESULTS}/logs/vocabulary/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/vocabulary/{{corpus}}.tsv"
    params:
        text=lambda w: study.config.corpora[w.corpus].tokenizer.text,
        corpus=lambda w: [f"--corpus={folder}" for folder in vocabulary_folder(w)],
    message:
        "Vocabulary of {wildcards.corpus}"
    shell:
        "noiseband vocabulary --params {params.text:q} {params.corpus:q} --out {output:q} 2> {log:q}"


rule tokenize:
    input:
        code=code("corpus.tokens"),
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
    benchmark:
        f"{RESULTS}/benchmarks/tokenize/{{corpus}}.tsv"
    wildcard_constraints:
        corpus=one_of(corpora_made_of(study, "text")),
    params:
        text=lambda w: TokenizeParams.of(study, w.corpus).text,
        corpus=subpath(input.train, parent=True),
        out=subpath(output.card, parent=True),
    message:
        "Tokenizing {wildcards.corpus}"
    shell:
        "noiseband tokenize --params {params.text:q} --corpus {params.corpus:q}"
        " --vocabulary {input.vocabulary:q} --out {params.out:q} 2> {log:q}"


rule fetch_tokens:
    input:
        code=code("hub.tokens"),
        files=lambda w: local_files(study, w.corpus),
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
    return chosen.path if chosen.kind == "file" else []


rule instructions:
    input:
        code=code("corpus.instructions"),
        file=instruction_file,
    output:
        f"{RESULTS}/instructions/{{instructions}}/rows.jsonl",
    log:
        f"{RESULTS}/logs/instructions/{{instructions}}.log",
    params:
        text=lambda w: InstructionsParams.of(study, w.instructions).text,
        out=subpath(output[0], parent=True),
    message:
        "Collecting instructions {wildcards.instructions}"
    shell:
        "noiseband instructions --params {params.text:q} --out {params.out:q} 2> {log:q}"
