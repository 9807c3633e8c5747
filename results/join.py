"""The tables of a run, joined of its units' parts one after another, so that few of them are in memory at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from results.files import atomic
from results.schema import TABLES, arrow_schema

ROWS = 1 << 16
"""What is kept of a table before it is written, as one row group: some tens of megabytes."""


def join(parts: Iterable[Mapping[str, pa.Table]], folder: Path) -> int:
    """Write one Parquet file per table, of how many parts is returned; none is touched where making the parts raises, nor one that is
    there byte for byte."""
    parts, number = iter(parts), 0
    first = next(parts, None)
    empty = {name: arrow_schema(columns).empty_table() for name, columns in TABLES.items()}
    with ExitStack() as stack:
        # Units of a run that an older vistas has made have columns of their own.
        files = {name: stack.enter_context(_file(folder / f"{name}.parquet", table.schema)) for name, table in (first or empty).items()}
        for part in chain([first] if first else [], parts):
            number += 1
            for name, file in files.items():
                file.add(part[name])
    return number


class _Growing:
    """A table written as it grows."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._waiting, self._rows = [writer.schema.empty_table()], 0

    def add(self, table: pa.Table) -> None:
        """Append rows."""
        self._waiting.append(table)
        self._rows += table.num_rows
        if self._rows >= ROWS:
            self.write()

    def write(self) -> None:
        """Write what waits."""
        if not self._rows:
            return
        self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks(), row_group_size=self._rows)
        self._waiting, self._rows = self._waiting[:1], 0


@contextmanager
def _file(path: Path, schema: pa.Schema) -> Iterator[_Growing]:
    with atomic(path, if_changed=True) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        growing = _Growing(writer)
        yield growing
        growing.write()
