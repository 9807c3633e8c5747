"""Function evaluations as the literature counts them, one rule for both families."""

from __future__ import annotations


class NfeCount:
    """The count of one prompt: its draws, or its predictions where these are more.

    Autoregressive work counts what every candidate takes, whatever it shares (draws: the children of one parent share
    its prediction). Diffusion work counts what the transformer is asked, also for rows that are only looked at and
    never go on (predictions). Each search is charged the larger of the two, so that neither pruned looks nor sharing
    make it look cheaper than its own literature would. In raster order a draw holds the passes between a row's own
    tokens; these are counted on top.
    """

    def __init__(self) -> None:
        self._predicted = self._drawn = 0

    def predicted(self, rows: int) -> int:
        """Enter rows really passed through the transformer; returns how many evaluations are new."""
        before = max(self._predicted, self._drawn)
        self._predicted += rows
        return max(self._predicted, self._drawn) - before

    def drawn(self, rows: int, passes: int = 1) -> int:
        """Enter rows that took a step, which is `passes` passes, the prediction one of them; returns the new evaluations."""
        before = max(self._predicted, self._drawn)
        self._drawn += rows
        return max(self._predicted, self._drawn) - before + (passes - 1) * rows
