"""Runs of rows with texts of equal length: one attention call serves each, without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class TextRun:
    """Neighbouring rows whose texts have the same number of tokens: one attention call serves them all."""

    rows: slice
    tokens: slice
    """Where their tokens lie in the flat tensor."""
    length: int

    def tokens_of(self, flat_TX: Tensor) -> Tensor:
        """This run's part of a flat tensor [T, ...] as [rows, length, ...]."""
        return flat_TX[self.tokens].unflatten(0, (-1, self.length))


def text_runs(lengths: Sequence[int]) -> list[TextRun]:
    """Maximal runs of neighbouring rows with equal text length."""
    runs, row, token = [], 0, 0
    while row < len(lengths):
        stop = row
        while stop < len(lengths) and lengths[stop] == lengths[row]:
            stop += 1
        tokens = (stop - row) * lengths[row]
        runs.append(TextRun(slice(row, stop), slice(token, token + tokens), lengths[row]))
        row, token = stop, token + tokens
    return runs
