"""Function evaluations as the literature counts them, one rule for both families."""

from __future__ import annotations

from collections import Counter


class Evaluations:
    """Counts of one prompt: at every step one for each draw, or one for each row predicted there where these are more.

    Autoregressive work counts what every candidate takes, whatever it shares (draws: the children of one parent share
    its prediction). Diffusion work counts what the transformer is asked, also for rows that are only looked at and
    never go on (predictions). The larger of the two is the latter where rows are pruned and the former elsewhere.
    In raster order a draw holds the passes between a row's own tokens; these are counted on top.
    """

    def __init__(self) -> None:
        self._predicted: Counter[int] = Counter()
        self._drawn: Counter[int] = Counter()

    def predicted(self, step: int, rows: int) -> int:
        """Enter rows really passed through the transformer at `step`; returns how many evaluations are new."""
        return self._enter(self._predicted, step, rows)

    def drawn(self, step: int, rows: int, passes: int = 1) -> int:
        """Enter rows that took the step, which is `passes` passes, the prediction one of them; returns the new evaluations."""
        return self._enter(self._drawn, step, rows) + (passes - 1) * rows

    def _enter(self, counter: Counter[int], step: int, rows: int) -> int:
        before = self._count(step)
        counter[step] += rows
        return self._count(step) - before

    def _count(self, step: int) -> int:
        return max(self._predicted[step], self._drawn[step])
