"""One finished unit as one file: a header line with a checksum, then the unit's rows of every table as Arrow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from results.schema import TABLES, arrow_schema

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table name to its rows, each a mapping with every column of the table."""


@dataclass(frozen=True, slots=True)
class Making:
    """How a unit was made, which its rows do not say."""

    source: str = ""
    """Hash of the source that has made the rows; "" where it is not known."""
    ungraded: int = 0
    """Selected images without a grade because weights of the suite's graders were not there."""
    computed_on: str = ""
    """What its seconds are of: devices, threads, offload; "" where it is not known."""
    shards: int = 0
    """Into how many processes its run was divided; 0 where it was not, or it is not known."""
    max_rows: int = 0
    """The most rows of its batches, by whose shapes a device rounds; 0 where it is not known."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """By name, what determines the scores of each verifier that measured what was selected."""


class DamagedPart(ValueError):
    """Raised for a part file that is not, byte for byte, what was written."""


def tables_of(rows: Rows) -> dict[str, pa.Table]:
    """The rows of every table as Arrow, in the declared columns and types; raises KeyError for a missing column."""
    return {name: _table(name, rows.get(name, ())) for name in TABLES}


def encode(key: str, tables: Mapping[str, pa.Table], making: Making = Making()) -> bytes:
    """The bytes of a part file."""
    payloads = [_to_bytes(tables[name]) for name in TABLES]
    body = b"".join(payloads)
    return _header(key, [len(payload) for payload in payloads], making, body) + b"\n" + body


def making_of(head: bytes) -> Making:
    """How a part was made, from its first line, as far as that says it."""
    try:
        return _making(json.loads(head))
    except (ValueError, TypeError, AttributeError):
        return Making()


def _making(header: Mapping[str, Any]) -> Making:
    return Making(**{name: type(value)(header.get(name, value)) for name, value in asdict(Making()).items()})


def decode(key: str, content: bytes) -> dict[str, pa.Table]:
    """The tables of a part file; raises DamagedPart where any byte is not what was written, or for another unit's part."""
    head, _, body = content.partition(b"\n")
    try:
        header = json.loads(head)
        unit, sizes, making = str(header["unit"]), [int(size) for size in header["bytes"]], _making(header)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedPart(f"header is not readable ({error})") from error
    if head != _header(unit, sizes, making, body):
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


def _header(unit: str, sizes: Sequence[int], making: Making, body: bytes) -> bytes:
    """The header line; its checksum is over the unit's key, the sizes and how it was made as well as the body."""
    said = {key: value for key, value in asdict(making).items() if value}
    own = {"unit": unit, "bytes": list(sizes), **said}
    digest = hashlib.sha256(json.dumps(own).encode() + b"\n")
    digest.update(body)
    return json.dumps({**own, "sha256": digest.hexdigest()}).encode()


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = arrow_schema(TABLES[name])
    columns = [pa.array([row[field.name] for row in rows], field.type, from_pandas=False) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
