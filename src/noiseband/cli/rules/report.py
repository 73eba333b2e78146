"""Commands of report.smk: tables and figures. (People also type `report`, so it is elsewhere.)"""

from __future__ import annotations

from noiseband.cli import app
from noiseband.cli.options import PANEL, ParamsText, Results, parse
from noiseband.study import table_params


@app.command(rich_help_panel=PANEL)
def tables(params_text: ParamsText, results: Results) -> None:
    """Write the study's tables."""
    from noiseband.analysis.tables import write_tables
    from noiseband.published.comparison import write_comparison

    given = parse(table_params.TablesParams, params_text)
    write_tables(given, results)
    write_comparison(given, results)


@app.command(rich_help_panel=PANEL)
def figures(params_text: ParamsText, results: Results) -> None:
    """Draw the study's figures."""
    from noiseband.report.figures.write import write_figures

    write_figures(parse(table_params.TablesParams, params_text), results)
