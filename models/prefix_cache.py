"""The prefix cache: keys and values as immutable segments, one per scale and forward pass, in a tree.

A fork is another row index into the same segment; nothing is copied, and dropping a branch drops a reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Segment:
    """Keys and values of one scale for a batch of prefixes, in front of their parents' segments."""

    blocks: tuple[Tensor, ...]
    """Per block [2, halves * S, n, heads, hd]: S conditional rows, then their unconditional halves where guided."""
    rows: int
    """Prefixes in this segment (S)."""
    parent: Segment | None
    parent_rows: tuple[int, ...]
    """For each prefix its row in the parent segment."""

    def path(self, rows: Sequence[int]) -> Iterator[tuple[Segment, tuple[int, ...]]]:
        """Segments from the first scale to this one with the row of each asked prefix in them."""
        if self.parent is not None:
            yield from self.parent.path(tuple(self.parent_rows[row] for row in rows))
        yield self, tuple(rows)

    @property
    def stored_bytes(self) -> int:
        """Memory held by this segment and its ancestors."""
        own = sum(block.nbytes for block in self.blocks)
        return own + (self.parent.stored_bytes if self.parent is not None else 0)


class PrefixReader:
    """Keys and values of chosen prefixes, gathered block by block so that only one block's copy exists at a time."""

    def __init__(self, segment: Segment | None, rows: Sequence[int], halves: int) -> None:
        self._parts: list[tuple[Segment, Tensor | None]] = []
        for part, part_rows in segment.path(rows) if segment is not None else ():
            stored = part.blocks[0].shape[1]
            index = [row + half * part.rows for half in range(halves) for row in part_rows]
            whole = index == list(range(stored))
            self._parts.append((part, None if whole else torch.tensor(index, device=part.blocks[0].device)))

    def block(self, block: int) -> list[Tensor]:
        """One block's keys and values [2, B, n_k, heads, hd] of every earlier scale; whole segments are not copied."""
        return [part.blocks[block] if index is None else part.blocks[block].index_select(1, index.to(part.blocks[block].device))
                for part, index in self._parts]
