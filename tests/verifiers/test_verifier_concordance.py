"""Concordance against scipy's Somers' D, and against AUROC where there are two grades."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import somersd

from verifiers.auroc import auroc, auroc_by_pool
from verifiers.concordance import concordance, concordance_by_pool

RNG = np.random.default_rng(3)
SCORES = RNG.integers(0, 6, 30).astype(float)
GRADES = np.round(SCORES / 9 + RNG.random(30), 1)
"""Both with ties."""


def test_it_is_somers_d_on_a_scale_from_0_to_1() -> None:
    assert concordance(SCORES, GRADES) == pytest.approx((1 + somersd(GRADES, SCORES).statistic) / 2)
    assert concordance(GRADES, GRADES) == 1
    assert concordance(-GRADES, GRADES) == 0
    assert concordance(np.zeros(30), GRADES) == 0.5
    assert np.isnan(concordance(SCORES, np.full(30, 0.3)))


def test_of_two_grades_it_is_auroc() -> None:
    right = (GRADES > 0.8).astype(float)
    assert concordance(SCORES, right) == pytest.approx(auroc(SCORES, right))
    assert 0.5 < auroc(SCORES, right) < 1


def test_pools_are_never_compared_with_one_another() -> None:
    pools = pd.DataFrame({"prompt_id": np.repeat(["a", "b", "c"], 10), "seed": np.tile([0, 1], 15)})
    found = concordance_by_pool(SCORES, GRADES, pools)
    assert found.index.names == ["prompt_id", "seed"]
    for key, rows in pools.groupby(list(pools)).groups.items():
        assert found[key] == pytest.approx(concordance(SCORES[rows], GRADES[rows]))
    right = (GRADES > 0.8).astype(float)
    of_two = auroc_by_pool(SCORES, right, pools)
    pd.testing.assert_series_equal(concordance_by_pool(SCORES, right, pools), of_two, check_names=False)
    assert concordance_by_pool(SCORES, np.ones(30), pools).groupby(level=0).mean().empty
