# Weights that are the mean of a run's last snapshots; moving averages are outputs of `train`.


rule average_weights:
    input:
        lambda w: averaged_weights(study, w.run, w.average),
    output:
        model=PATHS.average("{run}", "{average}") / "model.safetensors",
        digests=PATHS.average("{run}", "{average}") / "model.json",
    log:
        PATHS.log("average_weights", "{run}/{average}"),
    wildcard_constraints:
        run=one_of(RUNS),
        average=one_of(means(study.config.averages)),
    params:
        code=code("train.mean_weights"),
    message:
        "Averaging weights of {wildcards.run}: {wildcards.average}"
    shell:
        "noiseband average-weights --out {output.model:q} {input:q} 2> {log:q}"


# Evaluations that are averaged over the last snapshots of a run. Each snapshot is evaluated by a job
# of its own, as if it were a model; the final weights are snapshot 0.

AVERAGED = [name for name, one in EVALUATIONS.items() if one.average is not None]


def of_snapshots(wildcards):
    """The results of an evaluation of each snapshot, the final weights first."""
    names = averaged_over(study, wildcards.run, wildcards.evaluation)
    return [
        file
        for name in names
        for file in evaluated_files(study, name, wildcards.evaluation)
    ]


# A run's result is the mean. The others are of snapshots and of pretrained models.
ruleorder: average_evaluation > evaluate_loss
ruleorder: average_evaluation > evaluate_choice
ruleorder: average_evaluation > evaluate_harness
ruleorder: average_evaluation > evaluate_command_items
ruleorder: average_command > evaluate_command


rule average_evaluation:
    input:
        of_snapshots,
    output:
        metrics=PATHS.evaluation("{run}", "{evaluation}"),
        each=PATHS.evaluation_items("{run}", "{evaluation}"),
    log:
        PATHS.log("average_evaluation", EVALUATION_LOG),
    wildcard_constraints:
        run=one_of(RUNS),
        evaluation=one_of(name for name in AVERAGED if EVALUATIONS[name].has_items),
    params:
        code=code("evaluate.mean"),
    message:
        "Averaging {wildcards.evaluation} of {wildcards.run}"
    shell:
        "noiseband average-evaluation --out {output.metrics:q} --items {output.each:q} {input:q}"
        " 2> {log:q}"


rule average_command:
    input:
        of_snapshots,
    output:
        PATHS.evaluation("{run}", "{evaluation}"),
    log:
        PATHS.log("average_command", EVALUATION_LOG),
    wildcard_constraints:
        run=one_of(RUNS),
        evaluation=one_of(name for name in AVERAGED if not EVALUATIONS[name].has_items),
    params:
        code=code("evaluate.mean"),
    message:
        "Averaging {wildcards.evaluation} of {wildcards.run}"
    shell:
        "noiseband average-evaluation --out {output:q} {input:q} 2> {log:q}"
