"""Runs of the toy models: their settings, how they are made, stopped and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from harness.config import Settings
from harness.run import work
from harness.run.prepared import prepare_run
from harness.run.run_unit import FinishedUnit, run_unit
from harness.run.runner import finish_run
from harness.run.units import WorkUnit
from results.schema import MEASURED, TABLES

BASE: dict[str, Any] = {
    "models": ("toy-ar", "toy-diffusion"), "searches": ("random", "beam", "zero-order"), "verifiers": ("toy-judge",),
    "metrics": (), "budgets": (6, 24), "prompts": 6, "chunk": 4,
}  # fmt: skip


def run(folder: Path, **changes: Any) -> dict[str, pd.DataFrame]:
    finish_run(prepare_run(Settings(**{**BASE, **changes}), folder), Console(quiet=True))
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


@contextmanager
def before_each(step: Callable[[WorkUnit], object]) -> Iterator[None]:
    """Within, `step` is called with every unit that is about to be run."""

    def stepping(session: Any, unit: WorkUnit, *rest: Any) -> FinishedUnit:
        step(unit)
        return run_unit(session, unit, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "run_unit", stepping)
        yield


@contextmanager
def stop_after(units: int) -> Iterator[None]:
    """Within, Ctrl-C is pressed when so many units have been finished."""
    left = iter(range(units))

    def step(_: WorkUnit) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with before_each(step), pytest.raises(KeyboardInterrupt):
        yield
