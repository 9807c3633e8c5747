"""Runs that are not finished: what their units have so far, cut to what can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.assignments import name_of
from harness.compute import amounts
from harness.errors import WrongInput
from harness.values import ALL
from reports.comparable import most_pairs
from reports.keys import POINT
from results.failures import listed
from results.join import join
from results.schema import TABLES
from results.store import Store

OF_RUN, OF_RUNS = ["seed", "prompt_id"], ["prompt_id"]
"""What is in common: runs that are joined may have other seeds, which each has for all that it compares."""
Tables = dict[str, pd.DataFrame]
Done = dict[tuple[Any, ...], frozenset[Any]]


def is_unfinished(folder: Path) -> bool:
    """Whether a run folder lacks a table, which are made when all units are there."""
    return not all((folder / f"{name}.parquet").is_file() for name in TABLES)


def join_parts(folder: Path, place: Path) -> str:
    """Write tables of the units that are there into `place`, and say how many these are; the run folder is left as it is.

    Raises WrongInput where no unit is there.
    """
    store = Store(folder)
    there, planned = join(store.whole_parts(), place), len(store.units())
    if not there:
        raise WrongInput(f"{folder} has no finished unit yet: wait for one, or give the same `vistas run` command again")
    number = f"{there} of {amounts.counted(planned, 'unit')}" if planned else amounts.counted(there, "unit")
    return f"{number} {'are' if there > 1 or planned > 1 else 'is'} there"


def failures_of(folder: Path) -> str:
    """ "; failed: …": units that are missing as they failed, and why; empty without any."""
    store = Store(folder)
    failures = store.failures.of([key for key in store.units() if not store.part_path(key).exists()])
    return f"; {len(failures)} failed: {listed(failures)}" if failures else ""


def nothing_of(manifest: Mapping[str, Any], tables: Tables) -> str:
    """ ", none of shapes-flux and beam": models and searches that were asked for and have no unit yet; empty without any."""
    selections = tables["selections"]
    searches = {name_of(search) for search in selections["search"]}
    asked = dict.fromkeys(name_of(search) for search in manifest["configuration"]["searches"] if search != ALL)
    models = [model for model in manifest["models"] if model not in set(selections["model"])]
    absent = [*models, *(search for search in asked if search not in searches)]
    return f", none of {' and of '.join(absent)}" if absent else ""


class Common:
    """Cuts tables to what can be compared, and remembers what was left out.

    Methods with their budgets are kept, and of each the same prompts, so that none is set against another on other prompts:
    those that make the most pairs.
    """

    def __init__(self) -> None:
        self._left_out: dict[str, list[str]] = {}
        self._some_seeds: set[tuple[Any, ...]] = set()
        """Points with their prompts that are not finished under all seeds of their run."""

    def cut(self, tables: Mapping[str, pd.DataFrame], parts: Sequence[str], asked: int = 1) -> Tables:
        """The tables with what all that is kept has in common: `parts` are columns, OF_RUN or OF_RUNS; `asked` are seeds of the run."""
        selections = tables["selections"]
        done: Done = {
            tuple(point): frozenset(part[[*parts]].itertuples(index=False, name=None))
            for point, part in selections.groupby(POINT, sort=False)
        }  # fmt: skip
        kept, common = most_pairs(done, who=lambda point: point[:2])
        left_out = [point for point in done if point not in kept]
        several = selections["verifier"].nunique() > 1
        if asked > 1:
            some = _prompts(common) - _whole(common, asked)
            self._some_seeds |= {(*point, prompt) for point in kept for prompt in some}
        of, also = (" of the same seed", " and seeds") if asked > 1 else ("", "")
        for point in left_out:
            few = bool(done[point] & common)
            reason = f"too few of their prompts{also} are finished" if few else f"they have no prompts{of} in common with all the others"
            self._left_out.setdefault(reason, []).append(_in_words(point, done[point], several, asked))
        return {name: _cut(table, left_out, common, parts) for name, table in tables.items()}

    def sentences(self, there: Sequence[str], selections: pd.DataFrame, every: int | None) -> tuple[str, ...]:
        """What the page says: how much of each unfinished run is there; on how many prompts of how many; who is left out."""
        prompts = selections["prompt_id"].nunique()
        on = f"{prompts} of its {every} prompts" if every else amounts.counted(prompts, "prompt")
        shown = selections[[*POINT, "prompt_id"]].itertuples(index=False, name=None)
        some = len({prompt for *_, prompt in self._some_seeds.intersection(shown)})
        finished = ", for which every method and budget shown is finished"
        if some:
            under = f" under all seeds for {prompts - some} of them, under some seeds only for the other {some}"
            finished = f": every method and budget shown is finished{under if some < prompts else ' under some seeds only'}"
        return (
            *(f"{number}; the same vistas run command goes on with the run." for number in there),
            f"All of this report is on {on}{finished}; others may be missing.",
            *(f"Left out, as {reason}: {'; '.join(words)}." for reason, words in self._left_out.items()),
        )


def _prompts(done: frozenset[Any]) -> set[str]:
    return {prompt for *_, prompt in done}


def _whole(done: frozenset[Any], asked: int) -> set[str]:
    """Prompts of which as many seeds are finished as were asked for."""
    return {prompt for prompt, seeds in Counter(prompt for *_, prompt in done).items() if seeds == asked}


def _in_words(point: tuple[Any, ...], done: frozenset[Any], several: bool, asked: int) -> str:
    model, search, unit, verifier, budget = point
    prompts, under = amounts.counted(len(_prompts(done)), "prompt"), ""
    if asked > 1:
        whole = len(_whole(done, asked))
        under = " under all seeds" if whole == len(_prompts(done)) else f", {whole or 'none'} of them under all seeds"
    guided = f" guided by {verifier}" if several else ""
    return f"{model} + {search} at a budget of {amounts.budget(float(budget), str(unit))}{guided} ({prompts}{under})"


def _cut(table: pd.DataFrame, left_out: Sequence[tuple[Any, ...]], common: frozenset[Any], parts: Sequence[str]) -> pd.DataFrame:
    """Rows of these parts, without those of points left out."""
    there = [part in common for part in table[[*parts]].itertuples(index=False, name=None)]
    return table[there & ~pd.MultiIndex.from_frame(table[POINT]).isin(left_out)].reset_index(drop=True)
