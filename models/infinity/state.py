"""Candidates of Infinity as a value: distinct prefixes of scales, and for each row which of them is its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.base import Row
from models.infinity.conditions import PromptConditions
from models.infinity.rollout import Prediction, Prefixes


@dataclass(frozen=True, slots=True, eq=False)
class InfinityConditioning:
    """Encoded prompts with everything the transformer needs of them."""

    prompts: tuple[str, ...]
    text_tokens: tuple[int, ...]
    conditions: PromptConditions


@dataclass(frozen=True, slots=True, eq=False)
class InfinityState:
    """Rows over distinct prefixes: rows of one prefix share its cache, its sum of codes and its prediction."""

    conditioning: InfinityConditioning
    rows: tuple[Row, ...]
    steps: int
    """Scales of an image (K); at this step the rows are finished."""
    prefixes: Prefixes
    source: tuple[int, ...]
    """For each row the index of its prefix."""
    prediction: Prediction | None = None

    @property
    def step(self) -> int:
        """Scales drawn so far."""
        return self.prefixes.step

    @property
    def pending(self) -> tuple[int, ...]:
        """The first row of each distinct prefix that the next `predict` passes through the transformer."""
        if self.prediction is not None or self.step == self.steps:
            return ()
        first: dict[int, int] = {}
        for row, source in enumerate(self.source):
            first.setdefault(source, row)
        return tuple(first.values())

    @property
    def pending_preview(self) -> tuple[int, ...]:
        """Always empty: a preview decodes the bits drawn so far."""
        return ()

    def select(self, indices: Sequence[int]) -> InfinityState:
        """Rows by index, with repetition; nothing is copied. Raises IndexError and, for no rows, ValueError."""
        if not indices:
            raise ValueError("select got no indices; a state holds at least one row")
        count = len(self.rows)
        wrong = [index for index in indices if not 0 <= index < count]
        if wrong:
            raise IndexError(f"row {wrong[0]} of a state of {count} rows; use indices 0 to {count - 1}")
        return replace(self, rows=tuple(self.rows[index] for index in indices),
                       source=tuple(self.source[index] for index in indices))
