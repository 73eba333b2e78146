"""Make everything that is derived from finished runs, in the order of the workflow's rules."""

from __future__ import annotations

from pathlib import Path

from noiseband.analysis.tables import write_tables
from noiseband.errors import NotMadeError
from noiseband.published.comparison import write_comparison
from noiseband.report.figures.write import write_figures
from noiseband.report.page import write_report
from noiseband.repro.manifest import write_manifest
from noiseband.study import Study
from noiseband.study.artefacts import deterministic_artefacts, judged_artefacts
from noiseband.study.table_params import ReportParams


def write_finished(study: Study, machines: Path, out: Path) -> None:
    """Write the tables, figures, manifest and page again, as the workflow's rules do.

    Args:
        study: a study with all runs finished.
        machines: path of the file with the speeds and prices of machines.
        out: path of the page to write.

    Raises:
        NotMadeError: an input file is missing.
        UserError: an input file is damaged or belongs to another recipe.
    """
    params, results = ReportParams.of(study), study.results
    write_tables(params, results)
    write_comparison(params, results)
    write_figures(params, results)
    artefacts, judged = deterministic_artefacts(study), judged_artefacts(study)
    for file in (*artefacts, *judged):
        if not file.exists():
            raise NotMadeError(file)
    write_manifest(results, artefacts, study.paths.manifest, judged)
    write_report(params, results, machines, out)
