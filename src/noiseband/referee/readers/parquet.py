"""Read tables in Parquet."""

from __future__ import annotations

import re

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers.records import of_records
from noiseband.referee.readers.tables import check_columns
from noiseband.terminal import one_line

MAGIC = b"PAR1"
_INDEX = re.compile(r"__index_level_\d+__")
"""The name that pandas gives to an index without one."""


def read_parquet(content: bytes, file: str) -> Raw:
    """Read a table in Parquet; rows are counted from 1. Raises UserError if it is damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(pa.BufferReader(content), partitioning=None)
        names = [name for name in table.column_names if not _INDEX.fullmatch(name)]
        check_columns(names, file, "its columns")
        records = table.select(names).to_pylist()
    # Damage shows as an error of whatever part of pyarrow meets it first.
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{file}: not a complete Parquet file ({one_line(str(error).partition(chr(10))[0])}); "
            "get it again"
        ) from None
    return of_records(records, file, "row")
