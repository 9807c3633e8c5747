"""Prompts that a search returned no image for: wrong where the grader judges, without a score by a verifier."""

from __future__ import annotations

import pandas as pd

from reports.keys import IDENTITY


def nothing_returned(selections: pd.DataFrame) -> pd.Series:
    """Selections without an image because no candidate was finished in time, not because none could be scored."""
    return selections["considered"].eq(0) & selections["candidate"].eq("")


def judged(scores: pd.DataFrame, selections: pd.DataFrame, grader: str) -> pd.DataFrame:
    """The scores with a column `nothing`, whether there was no image; there the grader's value is 0, as nothing is not right.

    Both tables have a column `run`, which tells the runs apart that are joined.

    Left out instead, such prompts would flatter the search that misses deadlines on the hard ones. A task of a run of which
    the grader judged nothing gets no verdict by this: nobody could have said that an image is right.
    """
    empty = pd.MultiIndex.from_frame(selections.loc[nothing_returned(selections), IDENTITY])
    nothing = pd.MultiIndex.from_frame(scores[IDENTITY]).isin(empty)
    graded = scores["metric"].eq(grader)
    verdicts = scores["value"].where(graded).groupby([scores["run"], scores["task"]]).transform("count")
    wrong = nothing & graded & scores["value"].isna() & verdicts.gt(0)
    return scores.assign(value=scores["value"].mask(wrong, 0.0), nothing=nothing)
