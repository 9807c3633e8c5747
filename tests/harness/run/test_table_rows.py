"""What is chosen of a prompt's candidates."""

from __future__ import annotations

import numpy as np
import torch

from harness.compute.ledger import Budget, Cost, Unit
from harness.run.table_rows import combine, select, tabled
from harness.search.base import Candidate, Plan
from suites.base import Prompt


class Ranks:
    """Three parts whose ranks are averaged, 1 the best, higher numbers the worse."""

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        return -(1 + (values_NM[None] > values_NM[:, None]).sum(1)).mean(1)


def candidate(order: int, complete: bool, *values: float) -> Candidate:
    return Candidate(0, (order,), (), 0, complete, order, values, "", Cost(nfe=order), False, torch.zeros(1))


def test_previews_have_no_say_in_which_finished_image_is_best() -> None:
    finished = [candidate(0, True, 9, 2, 5), candidate(1, True, 5, 6, 4)]
    previews = [candidate(2 + n, False, 1, 3 + n, 1) for n in range(3)]
    for pool in (finished, finished + previews):
        chosen = select(pool, Ranks(), Prompt("0", "a", "b"), Budget(9, Unit.NFE), Plan({}, ()))
        assert chosen.candidate is finished[0]
        assert chosen.score == combine(pool, Ranks())[0] == np.mean([-1, -2, -1])
    assert len(set(combine(finished + previews, Ranks())[2:])) == 3


def test_an_ensembles_score_is_its_rank_among_what_the_budget_pays_for() -> None:
    pool = [candidate(order, True, value) for order, value in enumerate((1.0, 2.0, 3.0))]
    chosen = select(pool, Ranks(), Prompt("0", "a", "b"), Budget(1, Unit.NFE), Plan({}, ()))
    assert (chosen.candidate, chosen.score) == (pool[1], -1)
    assert tabled(pool, Ranks(), Budget(2, Unit.NFE)) == (pool, [-3, -2, -1]), "candidates are ranked under the largest budget"
