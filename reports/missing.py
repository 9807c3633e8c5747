"""Prompts that a search returned no image for: wrong where the grader judges, without a score by a verifier."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import pandas as pd

from reports.load import IDENTITY, Runs

Key = TypeVar("Key", bound=Hashable)
Part = TypeVar("Part", bound=Hashable)


def nothing_returned(selections: pd.DataFrame) -> pd.Series:
    """Selections without an image because no candidate was finished in time, not because none could be scored."""
    return selections["considered"].eq(0) & selections["candidate"].eq("")


def judged(runs: Runs, grader: str) -> pd.DataFrame:
    """The scores with a column `nothing`, whether there was no image; there the grader's value is 0, as nothing is not right.

    Left out instead, such prompts would flatter the search that misses deadlines on the hard ones. A run that has no
    grader's verdict at all gets none by this.
    """
    scores = runs.scores
    empty = pd.MultiIndex.from_frame(runs.selections.loc[nothing_returned(runs.selections), IDENTITY])
    nothing = pd.MultiIndex.from_frame(scores[IDENTITY]).isin(empty)
    graded = scores["metric"].eq(grader)
    if not scores.loc[graded, "value"].notna().any():
        return scores.assign(nothing=nothing)
    return scores.assign(value=scores["value"].mask(nothing & graded & scores["value"].isna(), 0.0), nothing=nothing)


def most_pairs(
    having: Mapping[Key, frozenset[Part]], whole: Callable[[frozenset[Part]], bool] = bool
) -> tuple[list[Key], frozenset[Part]]:
    """Who is compared where not all have everything, and on what: the parts that all of them have, such as prompts.

    Those who have least are left out as long as the others then make more pairs, one with another on one part; what is
    left must be `whole`. Without anything in common the one that has most is left.
    """
    order = sorted(having, key=lambda key: -len(having[key]))
    best: tuple[tuple[int, int], list[Key], frozenset[Part]] = ((-1, -1), [], frozenset())
    for number in range(1, len(order) + 1):
        common = frozenset.intersection(*(having[key] for key in order[:number]))
        pairs = ((number - 1) * len(common), len(common))
        if whole(common) and pairs > best[0]:
            best = (pairs, [key for key in having if having[key] >= common], common)
    return best[1], best[2]
