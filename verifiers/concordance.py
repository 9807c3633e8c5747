"""How well scores order images by a grade of more than two values: AUROC where no image is simply right or wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from verifiers.auroc import Pools


def concordance(scores: ArrayLike, grades: ArrayLike) -> float:
    """Return the chance that of two images with different grades the one with the higher grade has the higher score, ties counted half.

    Harrell's c (1982), which is (1 + Somers' D) / 2 of the scores given the grades, and AUROC where grades are 0 and 1. NaN
    where all grades are the same. Memory goes with the square of the number of images.
    """
    scores_N, grades_N = np.asarray(scores, dtype=np.float64), np.asarray(grades, dtype=np.float64)
    higher_NN = grades_N[:, None] > grades_N
    ahead_NN = (1 + np.sign(scores_N[:, None] - scores_N)) / 2
    return float(ahead_NN[higher_NN].mean()) if higher_NN.any() else float("nan")


def concordance_by_pool(scores: pd.Series, grades: pd.Series, pools: Pools) -> pd.Series:
    """Return the concordance of each pool with different grades, indexed by the columns of `pools`, as `auroc_by_pool` has AUROC."""
    keys = pd.DataFrame(pools)
    table = keys.assign(_score=np.asarray(scores), _grade=np.asarray(grades))
    found = {
        key: concordance(pool["_score"].to_numpy(), pool["_grade"].to_numpy())
        for key, pool in table.groupby(list(keys), sort=False, dropna=False)
    }
    index = pd.MultiIndex.from_tuples(found, names=list(keys)) if found else pd.MultiIndex.from_frame(keys)
    return pd.Series(list(found.values()), index=index, dtype=float, name="concordance").dropna()
