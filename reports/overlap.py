"""Runs of one suite on different prompts: what they have in common is compared, if it is enough."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from harness.assignments import name_of
from harness.errors import WrongInput
from results.prompts_needed import LEAST_PROMPTS


class ConflictingRuns(WrongInput):
    """Raised when runs cannot stand in one report: other suites or prompts, two weights under one name, two results of one unit."""


TOO_NARROW = "Intervals of adaptive, and of differences to it, are too narrow: its prompts share one budget."


def moves_budget(searches: Iterable[str]) -> bool:
    """Whether one of these searches shares a budget among its prompts: it keeps it on average over them, not in each."""
    return any(name_of(search) == "adaptive" for search in searches)


def on_shared_prompts(
    tables: Mapping[str, pd.DataFrame], folders: Sequence[Path], unfinished: Collection[int]
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The tables on the prompts that all finished runs have, and what the page says of it: nothing where none is left out.

    No run is left out for having few. Of an unfinished one, which may come to the others, some must be there.
    Raises ConflictingRuns where different prompts have too few in common.
    """
    selections = tables["selections"]
    prompts = {int(str(run)): frozenset(part["prompt_id"]) for run, part in selections.groupby("run")}
    finished = [each for run, each in prompts.items() if run not in unfinished]
    common = frozenset.intersection(*finished) if finished else frozenset.union(*prompts.values())
    if all(each <= common for each in prompts.values()):
        return dict(tables), ()
    counts = ", ".join(
        f"{len(each)} in {folders[run]}{', which is not finished' if run in unfinished else ''}" for run, each in prompts.items()
    )
    if len(common) < LEAST_PROMPTS or not all(each & common for each in prompts.values()):
        shared = len(common.intersection(*prompts.values()))
        raise ConflictingRuns(
            f"runs on different prompts cannot be compared ({counts}): {shared or 'none'} in common, where it takes {LEAST_PROMPTS}; "
            "run them with the same --prompts"
        )
    kept = {name: table[table["prompt_id"].isin(common)].reset_index(drop=True) for name, table in tables.items()}
    named = ", ".join(f"{len(each)} in {folders[run].name}" for run, each in prompts.items())
    said = f"The runs are on different prompts ({named}): all of this report is on the {len(common)} that they have in common."
    losing = [run for run, each in prompts.items() if not each <= common]
    return kept, (said, *_shared_budgets(selections[selections["run"].isin(losing)]))


def _shared_budgets(selections: pd.DataFrame) -> list[str]:
    """What is left out may have paid for what is shown, or been paid for by it."""
    if not moves_budget(selections["search"].unique()):
        return []
    return ["adaptive shared its budget among all prompts of its run: on these it may have spent more or less than the budget named."]
