"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()) -> Iterator[str]:
    """A table's lines, each as soon as its row is there; `right` are the columns whose cells stand at the right."""
    yield _line(columns)
    yield _line(["---:" if column in right else "---" for column in columns])
    yield from map(_line, rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()) -> str:
    """The same as one text, without a line break at its end."""
    return "\n".join(table_lines(columns, rows, right))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
