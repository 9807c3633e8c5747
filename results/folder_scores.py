"""The table of a scored folder, declared like those of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import WrongInput
from results.files import write_atomic
from results.schema import Column, arrow_schema

FILE = "scores.parquet"
ASKED = "asked.json"
"""What was asked for, beside the table: the same may be asked again, anything else would lose scores."""
COLUMNS = (
    Column("suite", pa.string(), "", "suite with its domain written out, such as geneval@shapes"),
    Column("prompt_id", pa.string(), "", "prompt within the folder"),
    Column("task", pa.string(), "", "the suite's category of the prompt"),
    Column("prompt", pa.string(), "", "prompt text"),
    Column("sample", pa.int64(), "", "image within the prompt"),
    Column("image", pa.string(), "", "path within the folder, empty where it is missing"),
    Column("metric", pa.string(), "", "a verifier's name, or grade for the suite's own evaluator"),
    Column("value", pa.float64(), "", "the metric; NaN where it could not be scored"),
    Column("reason", pa.string(), "", "why there is no value, or why the suite's evaluator says it is wrong; empty otherwise"),
    Column("text_truncated", pa.bool_(), "",
           "whether the prompt is longer than this verifier reads, its end unread; no for grade, of which it is not known"),
)
"""One row per (image, metric)."""


def check_kept(folder: Path, asked: Mapping[str, Any]) -> None:
    """Raise WrongInput where a folder has scores that a command which asks for this would lose: all of it but more verifiers differs."""
    if not (folder / FILE).exists():
        return
    try:
        before = dict(json.loads((folder / ASKED).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        before = {}
    more = set(before.get("verifiers", ())) <= set(asked["verifiers"])
    others = [key for key in asked if before.get(key) != asked[key] and not (key == "verifiers" and more)]
    if others or not before:
        which = "; ".join(f"{key}: {_said(before.get(key))} there, {_said(asked[key])} here" for key in others if before)
        raise WrongInput(f"{folder} holds other scores ({which or f'{ASKED} is missing'}), which would be lost: give another folder "
                         "with --out, or remove this one")  # fmt: skip


def _said(value: Any) -> str:
    return ", ".join(value) if value and isinstance(value, list) else str(value or "none")


def write_scores(folder: Path, rows: Sequence[Mapping[str, Any]], asked: Mapping[str, Any]) -> Path:
    """Write the table, and beside it what was asked for; returns the table's path."""
    write_atomic(folder / ASKED, (json.dumps(asked, indent=2) + "\n").encode())
    table = pa.Table.from_pylist(list(rows), schema=arrow_schema(COLUMNS))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomic(folder / FILE, bytes(sink.getvalue()))
    return folder / FILE
