"""How many prompts a lead would take: by simulation, and as the page says it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reports.answer import answer
from reports.equal_compute import Standing
from reports.load import read_runs
from reports.power import prompts_to_tell
from reports.statistics import Sample
from reports.summary import Method, summarise

METHOD = Method("flux", "random", "nfe")


def standing(lead: float, low: float, high: float) -> Standing:
    return Standing(METHOD, 0.5, 0.4, 0.6, (lead, low, high), False)


def test_half_of_the_runs_with_so_many_prompts_tell_the_lead() -> None:
    """Two methods a tenth of a standard deviation apart: from 100 prompts to the number it takes, and what happens there."""
    generator = np.random.default_rng(1)
    error = 2 / math.sqrt(100)  # what a run of 100 prompts shows: the interval is about two errors to each side
    needed = prompts_to_tell(standing(0.1, 0.1 - error, 0.1 + error), 100)
    assert needed == 400
    told = 0
    for _ in range(60):
        differences = generator.normal(0.1, 1.0, needed)
        values = np.column_stack([differences, np.zeros(needed)])
        _, (_, low, _) = Sample(["a"] * needed).behind_first(values)
        told += low > 0
    assert 20 <= told <= 40  # a binomial half of 60 lies there in all but one of a hundred


def test_what_is_settled_or_cannot_be_told_has_no_number() -> None:
    assert prompts_to_tell(standing(0.2, 0.1, 0.3), 48) is None
    assert prompts_to_tell(standing(0.2, math.nan, math.nan), 4) is None
    assert prompts_to_tell(standing(0.004, -0.1, 0.1), 48) is None
    assert prompts_to_tell(standing(0.01, -0.2, 0.22), 48) is None
    assert prompts_to_tell(standing(0.01, -0.08, 0.1), 48) == math.ceil(81 * 48)


@pytest.mark.parametrize(("prompts", "said"), [(10, True), (2, False)])
def test_the_answer_says_what_its_leads_would_take(make_tables: Callable[..., Path], tmp_path: Path, prompts: int, said: bool) -> None:
    summary = summarise(read_runs([make_tables(tmp_path / "run", prompts=prompts, budgets=(14, 56), picture_px=12)]))
    lines = [line for line in answer(summary).sentences if line.startswith("If the leads are as large as seen, telling ")]
    assert len(lines) == said
    assert all(line.endswith(f" ({6 * prompts} here).") and " takes at least about " in line for line in lines)
