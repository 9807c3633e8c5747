"""docs/searches.md has every registered search: its file, its abilities, each of its parameters, and what it costs."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from harness.registry import SEARCHES, entry
from harness.search.spec import parse_search

ROOT = Path(__file__).resolve().parents[3]
MODELS = {("ar", "diffusion"): "both", ("ar",): "AR", ("diffusion",): "diffusion", ("pair",): "a pair"}
PAGE = (ROOT / "docs" / "searches.md").read_text(encoding="utf-8")


def rows(head: str) -> dict[str, list[str]]:
    """Names in the first column of the table that begins with `head`, each with the cells of its row."""
    lines = PAGE[PAGE.index(head) :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: row for row in cells for name in re.findall(r"`([\w-]+)`", row[0])}


@pytest.mark.parametrize("name", SEARCHES)
def test_its_row_is_complete(name: str) -> None:
    row, search = rows("| strategy | file |")[name], entry("search", name).resolve()
    assert row[1] == search.__module__.rpartition(".")[2] + ".py"
    if name != "adaptive":  # it has the families and the needs of the search within
        assert {need.__name__ for need in search.needs} == set(re.findall(r"`(\w+)`", row[4]))
        assert row[3].startswith(MODELS[search.families])
    for field in fields(search):
        assert re.search(rf"\b{field.name}\b", row[5]), field.name
    assert f"**{search.size}**" in row[5] or name == "adaptive"  # whose rounds are no more than their number
    for published in re.findall(r"`([\w-]+:[^`]+)`", row[6]):
        assert parse_search(published).name == name


def test_no_search_without_its_cost() -> None:
    assert set(rows("| strategy | function evaluations")) >= {*SEARCHES}
    assert set(rows("| strategy | file |")) == {*SEARCHES}
