"""Everything that is made from finished runs, in the order of the rules that make it."""

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
from noiseband.study.params import ReportParams


def write_finished(study: Study, machines: Path, out: Path) -> None:
    """Write tables, figures, manifest and page anew, as the rules of these names do.

    Args:
        study: whose runs are all finished.
        machines: the table of machines.
        out: the page.

    Raises:
        NotMadeError: a file that is read is missing.
        UserError: one is damaged, or of another recipe.
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
