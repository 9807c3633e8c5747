"""Candidates of an autoregressive model as a value: distinct prefixes, and for each row which of them is its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from models.base import Row


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
        first: dict[int, int] = {}
        for row, source in enumerate(self.source):
            first.setdefault(source, row)
        return tuple(first.values())

    @property
    def pending_preview(self) -> tuple[int, ...]:
        """Always empty: a preview decodes what is drawn so far."""
        return ()

    def select(self, indices: Sequence[int]) -> PrefixState[Prefixes, Prediction]:
        """Rows by index, with repetition; nothing is copied. Raises IndexError and, for no rows, ValueError."""
        if not indices:
            raise ValueError("select got no indices; a state holds at least one row")
        count = len(self.rows)
        wrong = [index for index in indices if not 0 <= index < count]
        if wrong:
            raise IndexError(f"row {wrong[0]} of a state of {count} rows; use indices 0 to {count - 1}")
        return replace(self, rows=tuple(self.rows[index] for index in indices),
                       source=tuple(self.source[index] for index in indices))

    def predicted(self) -> Prediction:
        """The prediction that `draw` samples from. Raises ValueError where there is none."""
        if self.step == self.steps:
            raise ValueError(f"draw on rows finished at step {self.steps}; decode them")
        if self.prediction is None:
            raise ValueError(f"draw at step {self.step} on rows without a prediction; call predict first")
        return self.prediction


def distinct_prompts(rows: Sequence[Row], count: int) -> tuple[list[int], tuple[int, ...]]:
    """The prompts of new rows, each once, and for each row the place of its own.

    Raises ValueError for no rows and for a prompt beyond the `count` that are encoded.
    """
    if not rows:
        raise ValueError("start got no rows; a state holds at least one")
    wrong = [row.prompt for row in rows if not 0 <= row.prompt < count]
    if wrong:
        raise ValueError(f"row names prompt {wrong[0]}, the conditioning holds {count}; use 0 to {count - 1}")
    prompts = list(dict.fromkeys(row.prompt for row in rows))
    return prompts, tuple(prompts.index(row.prompt) for row in rows)


def check_seeds(seeds: Sequence[int], rows: Sequence[Row]) -> None:
    """Raise ValueError where a draw has another number of seeds than rows."""
    if len(seeds) != len(rows):
        raise ValueError(f"{len(seeds)} seeds for {len(rows)} rows; give draw one seed a row")
