"""Candidates of an autoregressive model as a value: distinct prefixes, and for each row which of them is its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from models.base import Row
from models.row_checks import check_selection, check_start, first_of_each, predicted


class Drawn(Protocol):
    """Distinct prefixes of choices, all equally long."""

    @property
    def step(self) -> int:
        """Steps drawn so far."""
        ...


Prefixes = TypeVar("Prefixes", bound=Drawn)
Prediction = TypeVar("Prediction")


@dataclass(frozen=True, slots=True, eq=False)
class PrefixState(Generic[Prefixes, Prediction]):
    """Rows over distinct prefixes: rows of one prefix share its cache, its choices and its prediction."""

    conditioning: Any
    rows: tuple[Row, ...]
    steps: int
    """Steps of an image (K); at this step the rows are finished."""
    prefixes: Prefixes
    source: tuple[int, ...]
    """For each row the index of its prefix."""
    prediction: Prediction | None = None

    @property
    def step(self) -> int:
        """Steps drawn so far."""
        return self.prefixes.step

    @property
    def pending(self) -> tuple[int, ...]:
        """The first row of each distinct prefix that the next `predict` passes through the transformer."""
        if self.prediction is not None or self.step == self.steps:
            return ()
        return first_of_each(self.source)

    @property
    def pending_preview(self) -> tuple[int, ...]:
        """Always empty: a preview decodes what is drawn so far."""
        return ()

    def select(self, indices: Sequence[int]) -> PrefixState[Prefixes, Prediction]:
        """Rows by index, with repetition; nothing is copied. Raises IndexError and, for no rows, ValueError."""
        check_selection(indices, len(self.rows))
        return replace(self, rows=tuple(self.rows[index] for index in indices),
                       source=tuple(self.source[index] for index in indices))

    def prediction_to_draw(self) -> Prediction:
        """The prediction that `draw` samples from. Raises ValueError where there is none."""
        return predicted(self.prediction, self.step, self.steps)


def distinct_prompts(rows: Sequence[Row], count: int) -> tuple[list[int], tuple[int, ...]]:
    """The prompts of new rows, each once, and for each row the place of its own.

    Raises ValueError for no rows and for a prompt beyond the `count` that are encoded.
    """
    check_start(rows, count)
    prompts = list(dict.fromkeys(row.prompt for row in rows))
    return prompts, tuple(prompts.index(row.prompt) for row in rows)
