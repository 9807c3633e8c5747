"""Prompts that a search returned no image for: not right where the grader judges, without a score by a verifier."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.blank import NO_NUMBERS
from reports.grades import Grades
from reports.keys import IDENTITY
from results.schema import GRADE


def nothing_returned(selections: pd.DataFrame, scores: pd.DataFrame) -> pd.Series:
    """Selections without an image because no picture was finished in time, or drawn at all; not because none could be scored."""
    return selections["considered"].eq(0) & selections["candidate"].eq("") | nothing_drawn(selections, scores)


def nothing_drawn(selections: pd.DataFrame, scores: pd.DataFrame) -> pd.Series:
    """Selections without an image because all that the model drew is no numbers (NaN), as the scores' reasons say."""
    lost = scores.loc[scores["reason"].str.contains(NO_NUMBERS, regex=False), IDENTITY]
    return selections["candidate"].eq("") & _among(selections, lost)


def judged(scores: pd.DataFrame, selections: pd.DataFrame, grades: Grades) -> pd.DataFrame:
    """The scores with a column `nothing`, whether there was no image; there the grader's value is that `of_nothing`.

    Both tables have a column `run`, which tells the runs apart that are joined.

    Left out instead, such prompts would flatter the search that misses deadlines on the hard ones, and the model that overflows on
    them. A task of a run of which the grader judged nothing gets no verdict by this: nobody could have said that an image is right.
    """
    nothing = _among(scores, selections.loc[nothing_returned(selections, scores), IDENTITY])
    graded = scores["metric"].eq(GRADE)
    verdicts = scores["value"].where(graded).groupby([scores["run"], scores["task"]]).transform("count")
    wrong = nothing & graded & scores["value"].isna() & verdicts.gt(0)
    of_nothing = scores["task"].map({task: grades.of_nothing(task) for task in scores["task"].unique()})
    return scores.assign(value=scores["value"].mask(wrong, of_nothing), nothing=nothing)


def _among(rows: pd.DataFrame, identities: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows of a table are of one of these selections; mostly there are none, and no row's identity is worked out."""
    if identities.empty:
        return np.zeros(len(rows), dtype=bool)
    return pd.MultiIndex.from_frame(rows[IDENTITY]).isin(pd.MultiIndex.from_frame(identities))
