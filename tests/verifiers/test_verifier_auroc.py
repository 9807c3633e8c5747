"""AUROC against counting pairs by hand."""

import numpy as np
import pandas as pd
import pytest

from verifiers.auroc import POOL, auroc, auroc_by_pool, auroc_within


def by_pairs(scores: np.ndarray, truths: np.ndarray) -> float:
    """Reference: every right candidate against every wrong one."""
    right, wrong = scores[truths == 1], scores[truths == 0]
    wins = (right[:, None] > wrong[None]).sum() + 0.5 * (right[:, None] == wrong[None]).sum()
    return float(wins / (len(right) * len(wrong)))


def test_equals_counting_pairs() -> None:
    rng = np.random.default_rng(0)
    scores, truths = rng.integers(0, 6, 60).astype(float), rng.integers(0, 2, 60).astype(float)
    assert auroc(scores, truths) == pytest.approx(by_pairs(scores, truths))


def test_extremes() -> None:
    truths = np.array([0, 0, 1, 1])
    assert auroc(np.array([1, 2, 3, 4]), truths) == 1
    assert auroc(np.array([4, 3, 2, 1]), truths) == 0
    assert auroc(np.ones(4), truths) == 0.5
    assert np.isnan(auroc(np.ones(2), np.ones(2)))


def test_unscored_are_left_out() -> None:
    scores, truths = np.array([np.nan, 1, 2, 3]), np.array([1, 0, 1, np.nan])
    assert auroc(scores, truths) == 1


def test_within_ignores_pairs_across_prompts() -> None:
    scores = np.array([10.0, 11.0, 0.0, 1.0])
    truths = np.array([0, 1, 0, 1])
    groups = np.array(["a", "a", "b", "b"])
    assert auroc_within(scores, truths, groups) == 1
    assert auroc(scores, truths) == 0.75
    assert np.isnan(auroc_within(scores, truths, np.arange(4)))


def test_every_prompt_counts_once_however_many_pools_it_has() -> None:
    rng = np.random.default_rng(1)
    pools = pd.DataFrame({name: rng.integers(0, 3, 400) for name in POOL[:3]})
    pools.loc[pools["prompt_id"] == 0, "seed"] = 0
    scores, truths = rng.integers(0, 9, 400).astype(float), rng.integers(0, 2, 400).astype(float)
    truths[pools["prompt_id"] == 2] = 1
    scores[::17] = np.nan
    means = []
    for prompt in (0, 1):
        of_prompt = pools[pools["prompt_id"] == prompt].groupby(POOL[1:3]).indices.values()
        rows = [np.flatnonzero(pools["prompt_id"] == prompt)[part] for part in of_prompt]
        known = [part[~np.isnan(scores[part])] for part in rows]
        means.append(np.mean([by_pairs(scores[part], truths[part]) for part in known]))
    assert auroc_within(scores, truths, pools) == pytest.approx(np.mean(means))
    areas = auroc_by_pool(scores, truths, pools)
    assert areas.index.names == POOL[:3]
    assert set(areas.index.get_level_values("prompt_id")) == {0, 1}


def test_ranks_of_another_pool_change_nothing() -> None:
    truths = np.array([0, 1, 1, 0, 1, 0])
    pools = pd.DataFrame({"prompt_id": ["a"] * 6, "budget": [2, 2, 4, 4, 4, 4]})
    ranks = np.array([-2.0, -1.0, -1.0, -4.0, -2.0, -3.0])
    assert auroc_within(ranks, truths, pools) == 1
    assert auroc_within(ranks, truths, pools[["prompt_id"]]) < 1


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="one length"):
        auroc(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="3 pool rows; give lists of one length"):
        auroc_within(np.ones(2), np.ones(2), np.zeros(3))
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        auroc(np.ones(2), np.array([0.5, 1]))
