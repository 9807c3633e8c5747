"""How well scores tell right from wrong."""

import numpy as np
from scipy.stats import rankdata


def auroc(scores_N: np.ndarray, truths_N: np.ndarray) -> float:
    """Return the chance that a right candidate scores above a wrong one, ties counted half.

    Unscored candidates (NaN score or truth) are left out; NaN when only right or only wrong ones remain.

    Raises:
        ValueError: the arrays differ in length, or a truth is not 0 or 1.
    """
    scores = np.asarray(scores_N, dtype=np.float64)
    truths = np.asarray(truths_N, dtype=np.float64)
    if scores.shape != truths.shape or scores.ndim != 1:
        raise ValueError(f"{scores.shape} scores for {truths.shape} truths; give two lists of one length")
    known = ~(np.isnan(scores) | np.isnan(truths))
    scores, truths = scores[known], truths[known]
    if not np.isin(truths, (0.0, 1.0)).all():
        raise ValueError("a truth is neither 0 nor 1; AUROC needs right-or-wrong verdicts")
    right = truths == 1
    positives, negatives = int(right.sum()), int((~right).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[right].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auroc_within(scores_N: np.ndarray, truths_N: np.ndarray, groups_N: np.ndarray) -> float:
    """Return AUROC over pairs of candidates of one group (prompt) only: what best-of-N selection depends on.

    Pairs are pooled over groups; NaN when no group holds both a right and a wrong candidate.
    """
    wins, pairs = 0.0, 0
    groups = np.asarray(groups_N)
    scores, truths = np.asarray(scores_N, dtype=np.float64), np.asarray(truths_N, dtype=np.float64)
    for group in np.unique(groups):
        rows = (groups == group) & ~np.isnan(scores) & ~np.isnan(truths)
        right, wrong = int((truths[rows] == 1).sum()), int((truths[rows] == 0).sum())
        if right and wrong:
            wins += auroc(scores[rows], truths[rows]) * right * wrong
            pairs += right * wrong
    return wins / pairs if pairs else float("nan")
