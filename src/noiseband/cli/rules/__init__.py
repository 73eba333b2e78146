"""One command for each rule of the workflow, in a file for each of `workflow/rules/*.smk`.

`--params` is the part of the resolved study that the stage depends on, as JSON. Rules pass it, and
`snakemake -p` prints it, so any job can be run again by hand. Heavy imports are inside the
commands, so that a job that does not need torch does not wait for it.
"""
