"""Files of prompts: CSV, TSV, JSON, JSONL and TXT become lines that know where they come from; a bad line spoils no other."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import WrongInput
from suites.prompt_checks import as_utf8, fault

TEXT_COLUMNS = ("prompt", "prompts", "text", "caption")
TASK_COLUMNS = ("category", "task", "tag")
ID_COLUMNS = ("id", "prompt_id", "item_id")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".txt")
AFTER_TAB = "after the tab"
"""Field of a line of a TXT file with what is no part of its prompt."""
LARGEST = 100_000_000
"""Bytes of a file."""


@dataclass(frozen=True)
class Line:
    """One prompt as it stands in a file."""

    text: str
    where: str
    """File and line, for people."""
    task: str = ""
    id: str = ""
    fault: str = ""
    """Why it is left out, "" where it is not."""
    fields: Mapping[str, Any] = field(default_factory=dict)


def read_lines(path: Path) -> list[Line]:
    """Every prompt of a file in order, those that cannot be used included.

    Raises:
        WrongInput: no such file, one without a column of prompts, without prompts, or of another kind.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise WrongInput(f"{path} is none of {', '.join(SUFFIXES)}: give a file of prompts of one of these kinds")
    text = _text(path)
    if suffix == ".txt":
        # Tabs end a prompt, as in T2I-CompBench's own loader; blank lines at the end are no prompts.
        rows = list(text.rstrip().split("\n"))
        lines = [_text_line(row.strip("\r"), f"{path.name} line {n}") for n, row in enumerate(rows, 1)]
    elif suffix in (".csv", ".tsv"):
        lines = list(_table(text, path, "\t" if suffix == ".tsv" else ","))
    elif suffix == ".jsonl":
        lines = list(_json_lines(text, path))
    else:
        lines = list(_document(text, path))
    if not lines or (len(lines) == 1 and not lines[0].text.strip()):
        raise WrongInput(f"{path} holds no prompts: give a file with at least one")
    return lines


def _text_line(row: str, where: str) -> Line:
    text, _, rest = row.partition("\t")
    return line(text, where, {AFTER_TAB: rest} if rest else None)


def line(text: Any, where: str, fields: Mapping[str, Any] | None = None) -> Line:
    """One prompt with what is known of it; columns are matched whatever their case, a line's end is no part of it."""
    known = {str(key).strip().lower(): value for key, value in (fields or {}).items()}
    task = next((as_utf8(known[name]) for name in TASK_COLUMNS if known.get(name)), "")
    name = next((as_utf8(known[name]) for name in ID_COLUMNS if known.get(name) not in (None, "")), "")
    words = text.rstrip("\r\n") if isinstance(text, str) else text
    return Line(words if isinstance(words, str) else "", where, task, name, fault(words), fields or {})


def from_rows(rows: Iterable[tuple[str, Mapping[str, Any]]], columns: Iterable[str], what: str) -> Iterator[Line]:
    """Lines of (where, row) pairs of a table with these columns; raises WrongInput where none of them holds prompts."""
    column = next((name for wanted in TEXT_COLUMNS for name in columns if name.strip().lower() == wanted), None)
    if column is None:
        raise WrongInput(
            f"{what} has no column of prompts (it has {', '.join(columns) or 'none'}): call it one of {', '.join(TEXT_COLUMNS)}"
        )
    for where, row in rows:
        yield line(row.get(column), where, row)


def _text(path: Path) -> str:
    """The file as text: a byte-order mark goes, what is no UTF-8 stays visible as surrogates."""
    try:
        if path.stat().st_size > LARGEST:
            raise WrongInput(f"{path} has {path.stat().st_size} bytes, more than {LARGEST}: give a file of prompts")
        content = path.read_bytes()
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise WrongInput(f"{path} is UTF-16: save it as UTF-8")
        return content.decode("utf-8-sig", errors="surrogateescape").replace("\r\n", "\n")
    except OSError as error:
        raise WrongInput(f"{path} cannot be read ({error.strerror}): give a file of prompts") from error


def _table(text: str, path: Path, delimiter: str) -> Iterator[Line]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text, delimiter))
    try:
        columns = [name for name in reader.fieldnames or () if name]
        rows, last = [], reader.line_num
        for row in reader:
            rows.append((f"{path.name} line {last + 1}", row))
            last = reader.line_num
    except csv.Error as error:
        raise WrongInput(f"{path} line {reader.line_num} is no {path.suffix[1:].upper()} ({error}): correct it there") from error
    yield from from_rows(rows, columns, str(path))


def _delimiter(text: str, usual: str) -> str:
    """What stands between columns: the usual, or where only that gives a column of prompts, what some programs write instead."""
    first = text.partition("\n")[0]
    named = (one for one in (usual, ";", "\t", ",") if {name.strip().strip('"').lower() for name in first.split(one)} & set(TEXT_COLUMNS))
    return next(named, usual)


def _json_lines(text: str, path: Path) -> Iterator[Line]:
    for number, row in enumerate(text.rstrip().split("\n"), 1):
        where = f"{path.name} line {number}"
        try:
            yield _value(json.loads(row), where)
        except (ValueError, RecursionError):
            yield Line("", where, fault="line is no JSON")


def _document(text: str, path: Path) -> Iterator[Line]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongInput(f"{path} is no JSON ({error}): correct it there") from error
    if isinstance(values, dict):
        for key, value in values.items():
            where = f"{path.name} entry {key}"
            yield line(value, where, {"id": key}) if isinstance(value, str) else _value(value, where)
    elif isinstance(values, list):
        for number, value in enumerate(values, 1):
            yield _value(value, f"{path.name} entry {number}")
    else:
        raise WrongInput(f"{path} holds neither a list nor a mapping: write prompts as a list of objects with key prompt")


def _value(value: Any, where: str) -> Line:
    """A JSON value: a text, or an object with a prompt."""
    if not isinstance(value, dict):
        return line(value, where)
    known = {str(key).strip().lower(): one for key, one in value.items()}
    column = next((name for name in TEXT_COLUMNS if name in known), None)
    if column is None:
        return Line("", where, fault=f"no key {' or '.join(TEXT_COLUMNS)}")
    return line(known[column], where, value)
