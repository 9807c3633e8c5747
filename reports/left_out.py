"""Who is not in a comparison, and why: in a sentence where these are few, else in a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from harness.compute import amounts
from harness.compute.amounts import counted
from reports.equal_compute import Comparison, LeftOut
from reports.summary import Method, Summary
from reports.tables import Table, filled
from reports.verdict import MOST_NAMED, listed, where

TITLE = "Not compared"
Missing = tuple[tuple[Comparison, tuple[LeftOut, ...]], ...]


def missing(judged: Sequence[Comparison], others: Sequence[Comparison] = ()) -> Missing:
    """Comparisons with those whom they leave out: of `others`, which the answer is not read from, only who lacks scores."""
    found = ((one, tuple(entry for entry in one.left_out if entry.why or one in judged)) for one in (*judged, *others))
    return tuple((comparison, entries) for comparison, entries in found if entries)


def left_out_sentences(summary: Summary, found: Missing) -> list[str]:
    """ "Not compared at 210 NFE spent: … (spent 216 NFE)." for every comparison, one sentence where they leave out the same.

    Of more than can be read in a sentence the number: the table names them.
    """
    places: dict[str, list[str]] = {}
    for comparison, entries in found:
        text = listed([f"{summary.label(entry.method, comparison.budget_unit)} ({_reason(entry, comparison)})" for entry in entries])
        if len(entries) > MOST_NAMED:
            every = len(comparison.standings) + len(comparison.left_out)
            text = f"{len(entries)} of {counted(every, 'method')}, named in the table “{TITLE}”"
        places.setdefault(text, []).append(f"{'a ' if comparison.same_budget else ''}{where(comparison)}")
    return [f"Not compared at {listed(at)}: {text}." for text, at in places.items()]


def alone_sentences(summary: Summary, found: Mapping[Method, Sequence[str]]) -> list[str]:
    """ "Only ar + beam was run under 240 NFE: nothing to compare it with." of budgets that one method has; none without such.

    Of more methods than can be read in a sentence their number and all budgets.
    """
    if not found:
        return []
    if len(found) > MOST_NAMED:
        every = list(dict.fromkeys(budget for budgets in found.values() for budget in budgets))
        return [f"Of {len(every)} budgets ({listed(every)}) each was given to one method only: nothing to compare these with."]
    each = listed([f"{summary.label(method)} was run under {listed(list(budgets))}" for method, budgets in found.items()])
    return [f"Only {each}: nothing to compare {'it' if len(found) == 1 else 'them'} with there."]


def left_out_table(summary: Summary, found: Missing) -> Table:
    """Every method that a comparison leaves out, and what it was given, or spent, instead."""
    rows, raw = [], []
    for comparison, entry in _each(found):
        search = summary.search(entry.method, comparison.budget_unit)
        rows.append({"compared at": where(comparison), "model": entry.method.model, "search": search, "why": _reason(entry, comparison)})
        raw.append({
            "axis": comparison.unit, "same_budget": comparison.same_budget, "amount": comparison.amount, **entry.method._asdict(),
            "least": entry.low, "most": entry.high, "reason": entry.why,
        })  # fmt: skip
    caption = (
        "Methods that have no part in a comparison: a curve is read only between the smallest and the largest amount that it really "
        "spent, and a budget compares only those that were given it and have scores."
    )
    return Table("not-compared", TITLE, caption, filled(rows), pd.DataFrame(raw))


def _each(found: Missing) -> Iterator[tuple[Comparison, LeftOut]]:
    return ((comparison, entry) for comparison, entries in found for entry in entries)


def _reason(entry: LeftOut, comparison: Comparison) -> str:
    word = "given" if comparison.same_budget else "spent"
    return entry.why or f"{word} {amounts.between(entry.low, entry.high, comparison.unit)}"
