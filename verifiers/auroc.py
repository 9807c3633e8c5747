"""How well scores tell right from wrong: the chance that a right image scores above a wrong one, ties counted half."""

from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Pools: TypeAlias = pd.DataFrame | np.ndarray
"""What makes each score's pool, one row per score, the prompt in the first column."""

POOL = ["prompt_id", "seed", "model", "search", "budget"]
"""Columns that make a pool of a run's candidates: an ensemble's ranks mean nothing outside one."""


def auroc(scores: ArrayLike, truths: ArrayLike) -> float:
    """Return AUROC over all pairs of a right and a wrong image.

    Unscored images (NaN score or truth) are left out; NaN when only right or only wrong ones remain.

    Raises:
        ValueError: the lists differ in length, or a truth is not 0 or 1.
    """
    areas = auroc_by_pool(scores, truths, np.zeros(np.shape(scores)))
    return float(areas.iloc[0]) if len(areas) else float("nan")


def auroc_within(scores: ArrayLike, truths: ArrayLike, pools: Pools) -> float:
    """Return AUROC over pairs of one pool only, which is what a search depends on: the mean over prompts of their pools' mean.

    NaN when no pool holds both a right and a wrong image; raises as `auroc_by_pool`.
    """
    return float(auroc_by_pool(scores, truths, pools).groupby(level=0).mean().mean())


def auroc_by_pool(scores: ArrayLike, truths: ArrayLike, pools: Pools) -> pd.Series:
    """Return AUROC of each pool that holds right and wrong images, indexed by the columns of `pools`.

    Raises:
        ValueError: the lists differ in length, or a truth is not 0 or 1.
    """
    scores_N, truths_N = np.asarray(scores, dtype=np.float64), np.asarray(truths, dtype=np.float64)
    keys = pd.DataFrame(pools)
    if scores_N.ndim != 1 or scores_N.shape != truths_N.shape or len(keys) != len(scores_N):
        raise ValueError(
            f"{scores_N.shape} scores for {truths_N.shape} truths in {len(keys)} pool rows; give lists of one length"
        )
    known = ~(np.isnan(scores_N) | np.isnan(truths_N))
    scores_N, truths_N, keys = scores_N[known], truths_N[known], keys[known]
    if not np.isin(truths_N, (0.0, 1.0)).all():
        raise ValueError("a truth is neither 0 nor 1; AUROC needs right-or-wrong verdicts: of scores take verifiers.concordance")
    pool_N = keys.groupby(list(keys), sort=False, dropna=False).ngroup().to_numpy(dtype=np.int64)
    areas = _areas(scores_N, truths_N, pool_N)
    return pd.Series(areas, index=pd.MultiIndex.from_frame(keys.drop_duplicates()), name="auroc").dropna()


def _areas(scores_N: NDArray[np.float64], truths_N: NDArray[np.float64], pool_N: NDArray[np.integer]) -> np.ndarray:
    """Mann and Whitney's statistic of each pool by its ranks, NaN without both kinds."""
    ranks_N = pd.Series(scores_N).groupby(pool_N).rank().to_numpy()
    right_P, wrong_P = np.bincount(pool_N, truths_N), np.bincount(pool_N, 1 - truths_N)
    wins_P = np.bincount(pool_N, ranks_N * truths_N) - right_P * (right_P + 1) / 2
    pairs_P = right_P * wrong_P
    return np.divide(wins_P, pairs_P, out=np.full(len(pairs_P), np.nan), where=pairs_P > 0)
