"""Find bad files of further evaluations when Snakemake starts, hours before they are read."""

from __future__ import annotations

import sys
from pathlib import Path

from noiseband.errors import UserError
from noiseband.evaluate.items import read_items
from noiseband.study.evaluation_params import files_of
from noiseband.study.runs import Study
from noiseband.terminal import on_a_terminal


def check_evaluations(study: Study) -> None:
    """End the process with a message if a file of an evaluation is missing, or one of its rows is
    bad.

    It does not raise, because an exception in a Snakefile would bury the message under a traceback.
    """
    try:
        for name, one in study.config.evaluations.items():
            for path in one.paths:
                files_of(f"evaluations.{name}", path)
            if one.choice is not None:
                read_items(Path(one.choice.file))
    except (UserError, OSError) as error:
        print(on_a_terminal(str(error)), file=sys.stderr)
        sys.exit(2)
