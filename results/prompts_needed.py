"""How many prompts an interval needs: said before a run begins, and kept to in its report."""

from __future__ import annotations

import math

LEAST_PROMPTS = 4
"""Prompts a task needs for an interval: two or three that agree by chance would make one of no width."""
LEAST_OVERALL = 2.5
"""Prompts a task, on average, that the overall mean needs for one, and never fewer than one task needs."""


def least_prompts(tasks: int) -> int:
    """Prompts, spread evenly over this many tasks, that the overall mean needs for an interval."""
    return max(LEAST_PROMPTS, math.ceil(LEAST_OVERALL * tasks))
