"""From conditioning to finished images, with no search, no meter and no records around the passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.base import Generator, Images, Row


def generate(generator: Generator, conditioning: Any, rows: Sequence[Row], seeds: Sequence[Sequence[int]]) -> Images:
    """One image a row, uint8 [B, 3, H, W]; `seeds` are those of the rows' draws, step by step."""
    state = generator.start(conditioning, rows)
    for draws in seeds:
        state = generator.draw(generator.predict(state), draws)
    return generator.decode(state)
