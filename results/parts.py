"""One finished unit as one file: a header line with a checksum, then the unit's rows of every table as Arrow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from results.schema import TABLES, arrow_schema

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table name to its rows, each a mapping with every column of the table."""


class DamagedPart(ValueError):
    """Raised for a part file that is not, byte for byte, what was written."""


def tables_of(rows: Rows) -> dict[str, pa.Table]:
    """The rows of every table as Arrow, in the declared columns and types; raises KeyError for a missing column."""
    return {name: _table(name, rows.get(name, ())) for name in TABLES}


def encode(key: str, tables: Mapping[str, pa.Table]) -> bytes:
    """The bytes of a part file."""
    payloads = [_to_bytes(tables[name]) for name in TABLES]
    header = {
        "unit": key,
        "bytes": [len(payload) for payload in payloads],
        "sha256": hashlib.sha256(b"".join(payloads)).hexdigest(),
    }
    return json.dumps(header).encode() + b"\n" + b"".join(payloads)


def decode(key: str, content: bytes) -> dict[str, pa.Table]:
    """The tables of a part file; raises DamagedPart when the checksum or the unit's key does not hold."""
    head, _, body = content.partition(b"\n")
    try:
        header = json.loads(head)
        unit, sizes, sha256 = header["unit"], [int(size) for size in header["bytes"]], header["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedPart(f"header is not readable ({error})") from error
    if hashlib.sha256(body).hexdigest() != sha256:
        raise DamagedPart("checksum does not match")
    if unit != key:
        raise DamagedPart(f"it holds unit {unit}")
    tables, start = {}, 0
    for name, size in zip(TABLES, sizes, strict=True):
        tables[name] = pa.ipc.open_file(pa.BufferReader(body[start : start + size])).read_all()
        start += size
    return tables


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = arrow_schema(name)
    columns = [pa.array([row[field.name] for row in rows], field.type, from_pandas=False) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
