"""Tables joined of parts: the same rows whatever is written at once, few parts in memory, and files whole or untouched."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results import join as joining
from results.join import join
from results.parts import tables_of
from results.schema import TABLES, arrow_schema

DEFAULTS = {"string": "", "int64": 1, "double": 0.5, "bool": True}


def part(number: int, rows: int = 3) -> dict[str, pa.Table]:
    return tables_of({
        name: [{column.name: DEFAULTS[str(column.type)] for column in TABLES[name]} | {"unit": f"{number}"}] * rows
        for name in ("candidates", "scores")
    })  # fmt: skip


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("rows", [1, 4, 6, 1000])
def test_rows_are_those_of_the_parts_in_order(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "ROWS", rows)
    assert join((part(n) for n in range(4)), tmp_path) == 4
    for name in TABLES:
        table = pq.read_table(tmp_path / f"{name}.parquet")
        assert table.schema.equals(arrow_schema(TABLES[name]), check_metadata=True)
        assert table["unit"].to_pylist() == ([] if name == "selections" else [f"{n}" for n in range(4) for _ in range(3)])


def test_few_parts_are_in_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "ROWS", 9)
    given: list[weakref.ref[pa.Table]] = []
    most = 0

    def parts() -> Iterator[dict[str, pa.Table]]:
        nonlocal most
        for number in range(60):
            one = part(number)
            given.append(weakref.ref(one["candidates"]))
            yield one
            most = max(most, sum(one() is not None for one in given))

    assert join(parts(), tmp_path) == 60
    assert most <= 6


def test_nothing_is_touched_where_a_part_cannot_be_made(tmp_path: Path) -> None:
    join([part(0)], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken() -> Iterator[dict[str, pa.Table]]:
        yield part(1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        join(broken(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_same_again_keeps_the_files(tmp_path: Path) -> None:
    for _ in range(2):
        join([part(0), part(1)], tmp_path)
        times = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    join([part(0), part(1)], tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
    join([part(0)], tmp_path)
    assert len(pq.read_table(tmp_path / "scores.parquet")) == 3


def test_of_no_part_there_are_empty_tables(tmp_path: Path) -> None:
    assert join([], tmp_path) == 0
    assert names(tmp_path) == {f"{name}.parquet" for name in TABLES}
    assert pq.read_table(tmp_path / "scores.parquet").schema.equals(arrow_schema(TABLES["scores"]), check_metadata=True)


def test_parts_of_an_older_schema_keep_their_columns(tmp_path: Path) -> None:
    old = {name: table.drop_columns(["suite"]) for name, table in part(0).items()}
    join([old, old], tmp_path)
    assert "suite" not in pq.read_table(tmp_path / "scores.parquet").column_names
