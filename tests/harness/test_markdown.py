"""Tables in Markdown, and of what a benchmark has measured for programs."""

from __future__ import annotations

import csv
from dataclasses import asdict, fields, replace
from io import StringIO

from harness.bench.measured import Measured
from harness.bench.origin import Origin
from harness.bench.table import as_csv
from harness.markdown import table, table_lines


def test_columns_rules_and_rows() -> None:
    assert table(("a", "b"), [("1", "2"), ("3", "4")], right=("b",)) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n| 3 | 4 |"
    assert table(("a",), []) == "| a |\n| --- |"


def test_a_line_comes_as_soon_as_its_row() -> None:
    asked: list[int] = []
    lines = table_lines(("a",), ((str(number), asked.append(number))[:1] for number in range(3)))
    assert [next(lines) for _ in range(3)] == ["| a |", "| --- |", "| 0 |"]
    assert asked == [0]


def test_a_table_for_programs_is_read_back_whatever_a_name_holds() -> None:
    plain = Measured(4, "decode", 3, 4, 0.125, 0.1, 0.25, 3, 2.0, 16.0, float("nan"), 1.5)
    found = [plain, replace(plain, operation='search "beam:width=2,score=preview"')]
    origin = Origin("toy", "a card, 80 GB", "torch 9", '{"steps": 3}')
    rows = list(csv.DictReader(StringIO(as_csv(found, origin))))
    assert [field.name for field in (*fields(Measured), *fields(Origin))] == list(rows[0])
    assert [list(row.values()) for row in rows] == [[str(value) for value in (asdict(one) | asdict(origin)).values()] for one in found]
    assert as_csv([plain], origin).splitlines()[1].startswith("4,decode,3,4,0.125,0.1,0.25,3,2.0,16.0,nan,1.5,toy,")
