"""Runs of the toy models: their settings, how they are made, stopped and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from harness.config import Settings
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run
from results.schema import MEASURED, TABLES

BASE: dict[str, Any] = {
    "models": ("toy-ar", "toy-diffusion"), "searches": ("random", "beam", "zero-order"), "verifiers": ("toy-judge",),
    "metrics": (), "budgets": (6, 24), "prompts": 6, "chunk": 4,
}  # fmt: skip


def run(folder: Path, engine: Any = None, **changes: Any) -> dict[str, pd.DataFrame]:
    prepared = prepare_run(Settings(**{**BASE, **changes}), folder)
    finish_run(prepared, Console(quiet=True), **({"engine": engine} if engine else {}))
    return tables(folder)


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}


def untimed(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables without what a clock has measured."""
    return {name: table.drop(columns=list(MEASURED), errors="ignore") for name, table in tables(folder).items()}


def assert_equal(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame], but: tuple[str, ...] = ()) -> None:
    for name in TABLES:
        measured = [column for column in (*MEASURED, *but) if column in one[name]]
        pd.testing.assert_frame_equal(one[name].drop(columns=measured), other[name].drop(columns=measured))


def stop_after(units: int) -> Any:
    def engine(work: Any, execute: Any) -> Any:
        for index, unit in enumerate(work):
            if index == units:
                raise KeyboardInterrupt
            yield unit, execute(unit)

    return engine
