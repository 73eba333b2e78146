"""Measurements of any kind of file as a data frame."""

from __future__ import annotations

from os import PathLike

import pandas as pd

from noiseband.referee.columns import number
from noiseband.referee.readers import read


def load(source: str | PathLike[str], pattern: str | None = None) -> pd.DataFrame:
    """The rows of a study's results folder, or of any file that `noiseband verdicts` reads.

    Parameters
    ----------
    source : path
        A study's results folder, or a CSV, JSON lines, Parquet, TensorBoard or other file.
    pattern : str, optional
        Of a log: a regular expression with a named group for each column.

    Returns
    -------
    pandas.DataFrame
        A row for each run, or for each run and step, as `noiseband.verdicts` takes it. Of a study:
        `run`, `arm`, the seeds, `digest` and the metrics.

    Raises
    ------
    noiseband.UserError
        If the file cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import noiseband as nb
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "losses.csv").write_text("arm,seed,loss\\nmain,1,3.281\\n")
    ...     nb.load(Path(folder, "losses.csv"))
        arm  seed   loss
    0  main     1  3.281
    """

    frame: pd.DataFrame = pd.concat([raw.table for raw in read(str(source), pattern)])
    return frame.reset_index(drop=True).apply(_as_numbers)


def _as_numbers(column: pd.Series) -> pd.Series:
    """The column as int64 or float64 if every cell is such a number, otherwise as it is."""
    try:
        cells = [number(cell) for cell in column]
    except (ValueError, TypeError):
        return column
    if all(cell is not None and cell % 1 == 0 and abs(cell) < 2**53 for cell in cells):
        return pd.Series(cells, column.index).astype("int64")
    return pd.Series(cells, column.index, dtype="float64")
