"""What the operations of every generator ask of rows: told in the same words for each family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from models.base import Row

Prediction = TypeVar("Prediction")


def first_of_each(source: Sequence[int]) -> tuple[int, ...]:
    """The first row of each source, which `source` names for every row: what a pass that they share is run for."""
    first: dict[int, int] = {}
    for row, one in enumerate(source):
        first.setdefault(one, row)
    return tuple(first.values())


def check_start(rows: Sequence[Row], prompts: int) -> None:
    """Raise ValueError for no rows, and for a row of a prompt beyond those that are encoded."""
    if not rows:
        raise ValueError("start got no rows; a state holds at least one")
    wrong = [row.prompt for row in rows if not 0 <= row.prompt < prompts]
    if wrong:
        raise ValueError(f"row names prompt {wrong[0]}, the conditioning holds {prompts}; use 0 to {prompts - 1}")


def check_selection(indices: Sequence[int], rows: int) -> None:
    """Raise ValueError for no indices, and IndexError for one beyond so many rows."""
    if not indices:
        raise ValueError("select got no indices; a state holds at least one row")
    wrong = [index for index in indices if not 0 <= index < rows]
    if wrong:
        raise IndexError(f"row {wrong[0]} of a state of {rows} rows; use indices 0 to {rows - 1}")


def check_seeds(seeds: Sequence[int], rows: Sequence[Row], operation: str = "draw") -> None:
    """Raise ValueError where an operation has another number of seeds than rows."""
    if len(seeds) != len(rows):
        raise ValueError(f"{len(seeds)} seeds for {len(rows)} rows; give {operation} one seed a row")


def predicted(prediction: Prediction | None, step: int, steps: int, operation: str = "draw") -> Prediction:
    """The prediction of rows at this step of so many. Raises ValueError where there is none."""
    if step == steps:
        raise ValueError(f"{operation} on rows finished at step {steps}; decode them")
    if prediction is None:
        raise ValueError(f"{operation} at step {step} on rows without a prediction; call predict first")
    return prediction


def check_finished(step: int, steps: int) -> None:
    """Raise ValueError for a decode of rows that are not at their last step."""
    if step != steps:
        raise ValueError(f"decode at step {step} of {steps}; finish the rows or use preview")
