"""One command for each rule of the workflow, in a file for each of `workflow/rules/*.smk`.

`--params` is the part of the resolved study that the stage depends on, as JSON. Rules pass it, and
`snakemake -p` prints it, so any job can be run again by hand. Heavy imports are inside the
commands, so that a job that does not need torch does not wait for it.
"""

# Commands register themselves, in the order of the DAG.
# isort: off
from noiseband.cli.rules import (
    corpus,  # noqa: F401
    model,  # noqa: F401
    command,  # noqa: F401
    pretrained,  # noqa: F401
    evaluate,  # noqa: F401
    evaluations,  # noqa: F401
    finetune,  # noqa: F401
    judge,  # noqa: F401
    repro,  # noqa: F401
    report,  # noqa: F401
)
