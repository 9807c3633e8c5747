"""The tables of a run, joined of its units' parts one after another, so that few of them are in memory at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from results.files import atomic
from results.schema import TABLES, arrow_schema

ROWS = 1 << 16
"""What is kept of a table before it is written, as one row group: some tens of megabytes."""


def join(parts: Iterable[Mapping[str, pa.Table]], folder: Path) -> None:
    """Write one Parquet file per table; none is touched where making the parts raises, nor one that is there byte for byte."""
    with ExitStack() as stack:
        files = {name: stack.enter_context(_file(folder, name)) for name in TABLES}
        for part in parts:
            for name, file in files.items():
                file.add(part[name])


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
def _file(folder: Path, name: str) -> Iterator[_Growing]:
    with (
        atomic(folder / f"{name}.parquet", if_changed=True) as file,
        pq.ParquetWriter(file, arrow_schema(name), compression="zstd") as writer,
    ):
        growing = _Growing(writer)
        yield growing
        growing.write()
