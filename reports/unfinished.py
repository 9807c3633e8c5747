"""A run that is not finished: what its units have so far, cut to what can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from harness import amounts
from harness.errors import WrongInput
from reports.pairs import most_pairs
from results.schema import TABLES
from results.store import Store

_POINT = ["model", "search", "verifier", "budget_unit", "budget"]
_SEARCH = ["seed", "prompt_id"]
Tables = dict[str, pd.DataFrame]


def is_unfinished(folder: Path) -> bool:
    """Whether a run folder lacks a table, which are made when all units are there."""
    return not all((folder / f"{name}.parquet").is_file() for name in TABLES)


def read_parts(folder: Path, manifest: Mapping[str, Any]) -> tuple[Tables, tuple[str, ...]]:
    """Tables of the units that are there, and sentences on what they are; the run folder is left as it is.

    Methods with their budgets are kept, and of each the same seeds and prompts, so that none is set against another on
    other prompts: those that make the most pairs. Raises WrongInput where no unit is there.
    """
    store = Store(folder)
    parts, planned = store.whole_parts(), len(store.units())
    if not parts:
        raise WrongInput(f"{folder} has no finished unit yet: wait for one, or give the same `vistas run` command again")
    tables = {name: pa.concat_tables([part[name] for part in parts]).to_pandas() for name in TABLES}
    kept, common, apart, few = _compared(tables["selections"])
    number = f"{len(parts)} of {amounts.counted(planned, 'unit')}" if planned else amounts.counted(len(parts), "unit")
    prompts, every = len({prompt for _, prompt in common}), manifest["suite"].get("prompts_run")
    on = f"{prompts} of its {every} prompts" if every else amounts.counted(prompts, "prompt")
    sentences = [
        f"{number} {'are' if len(parts) > 1 or planned > 1 else 'is'} there; the same `vistas run` command goes on with the run.",
        f"All of this report is on {on}, for which every method and budget shown is finished; others may be missing.",
    ]
    if apart:
        of = " of the same seed" if tables["selections"]["seed"].nunique() > 1 else ""
        sentences.append(f"Left out, as they have no prompts{of} in common with all the others: {'; '.join(apart)}.")
    if few:
        sentences.append(f"Left out, as too few of their prompts are finished: {'; '.join(few)}.")
    return {name: _cut(table, kept, common) for name, table in tables.items()}, tuple(sentences)


def _compared(selections: pd.DataFrame) -> tuple[list[Any], frozenset[Any], list[str], list[str]]:
    """Points and the (seed, prompt) pairs that all of them have; and in words, the points that have none of these, and too few."""
    done: dict[tuple[Any, ...], frozenset[Any]] = {
        tuple(point): frozenset(zip(part["seed"], part["prompt_id"], strict=True)) for point, part in selections.groupby(_POINT, sort=False)
    }
    kept, common = most_pairs(done, who=lambda point: point[:2])
    several = selections["verifier"].nunique() > 1
    left_out = {
        point: f"{model} + {search} at a budget of {amounts.budget(float(budget), str(unit))}{f' guided by {verifier}' if several else ''} "
        f"({amounts.counted(len({prompt for _, prompt in done[point]}), 'prompt')})"
        for point in done if point not in kept for model, search, verifier, unit, budget in [point]
    }  # fmt: skip
    apart = [words for point, words in left_out.items() if not done[point] & common]
    few = [words for point, words in left_out.items() if done[point] & common]
    return kept, common, apart, few


def _cut(table: pd.DataFrame, kept: list[Any], common: frozenset[Any]) -> pd.DataFrame:
    """Rows of these points, seeds and prompts."""
    points = pd.MultiIndex.from_frame(table[_POINT])
    return table[points.isin(kept) & pd.MultiIndex.from_frame(table[_SEARCH]).isin(list(common))].reset_index(drop=True)
