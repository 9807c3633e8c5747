"""One finished unit as one file: a header line with a checksum, then the unit's rows of every table as Arrow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from results.schema import TABLES, arrow_schema

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table name to its rows, each a mapping with every column of the table."""


class DamagedPart(ValueError):
    """Raised for a part file that is not, byte for byte, what was written."""


def tables_of(rows: Rows) -> dict[str, pa.Table]:
    """The rows of every table as Arrow, in the declared columns and types; raises KeyError for a missing column."""
    return {name: _table(name, rows.get(name, ())) for name in TABLES}


def encode(key: str, tables: Mapping[str, pa.Table], source: str = "") -> bytes:
    """The bytes of a part file; `source` is the hash of the source that has made the rows."""
    payloads = [_to_bytes(tables[name]) for name in TABLES]
    body = b"".join(payloads)
    return _header(key, [len(payload) for payload in payloads], source, body) + b"\n" + body


def source_of(head: bytes) -> str:
    """The source that made a part, of its first line; "" where it is not known."""
    try:
        return str(json.loads(head).get("source", ""))
    except (ValueError, AttributeError):
        return ""


def decode(key: str, content: bytes) -> dict[str, pa.Table]:
    """The tables of a part file; raises DamagedPart where any byte is not what was written, or for another unit's part."""
    head, _, body = content.partition(b"\n")
    try:
        header = json.loads(head)
        unit, sizes, source = str(header["unit"]), [int(size) for size in header["bytes"]], str(header.get("source", ""))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedPart(f"header is not readable ({error})") from error
    if head != _header(unit, sizes, source, body):
        raise DamagedPart("checksum does not match")
    if unit != key:
        raise DamagedPart(f"it holds unit {unit}")
    if sum(sizes) != len(body) or len(sizes) != len(TABLES):
        raise DamagedPart(f"its header announces {sum(sizes)} bytes in {len(sizes)} tables, it has {len(body)}")
    tables, start = {}, 0
    for name, size in zip(TABLES, sizes, strict=True):
        try:
            tables[name] = pa.ipc.open_file(pa.BufferReader(body[start : start + size])).read_all()
        except (pa.ArrowException, OSError) as error:
            raise DamagedPart(f"table {name} is not readable ({error})") from error
        start += size
    return tables


def images_of(tables: Mapping[str, pa.Table]) -> list[str]:
    """The images that a unit's rows name, by their paths within the run's folder, each once."""
    named = [image for table in ("candidates", "selections") for image in pc.unique(tables[table]["image"]).to_pylist()]
    return [*dict.fromkeys(filter(None, named))]


def _header(unit: str, sizes: Sequence[int], source: str, body: bytes) -> bytes:
    """The header line; its checksum is over the unit's key, the sizes and the source as well as the body."""
    own = {"unit": unit, "bytes": list(sizes), **({"source": source} if source else {})}
    digest = hashlib.sha256(json.dumps(own).encode() + b"\n")
    digest.update(body)
    return json.dumps({**own, "sha256": digest.hexdigest()}).encode()


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = arrow_schema(name)
    columns = [pa.array([row[field.name] for row in rows], field.type, from_pandas=False) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
