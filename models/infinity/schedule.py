"""Scale schedules: the token grids that Infinity fills one after another, for every published aspect ratio."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import log

Grid = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True)
class ScaleSchedule:
    """Token grids (rows, columns) from 1x1 to the full grid, and the grid that spans the RoPE positions."""

    grids: tuple[Grid, ...]
    rope_grid: Grid | None = None
    """Last grid of the largest schedule of this aspect ratio, also for its prefixes; None is the own last grid."""

    def __post_init__(self) -> None:
        grids = tuple((int(h), int(w)) for h, w in self.grids)
        object.__setattr__(self, "grids", grids)
        if not grids or grids[0] != (1, 1):
            raise ValueError(f"schedule starts with {grids[:1]}: the first scale must be (1, 1)")
        rope_h, rope_w = self.rope_grid or grids[-1]
        object.__setattr__(self, "rope_grid", (int(rope_h), int(rope_w)))

    @classmethod
    def square(cls, sides: Sequence[int]) -> ScaleSchedule:
        """Square grids of these side lengths."""
        return cls(tuple((side, side) for side in sides))

    def __len__(self) -> int:
        return len(self.grids)

    def prefix(self, scales: int) -> ScaleSchedule:
        """The first scales only, with the positions of the whole schedule."""
        return ScaleSchedule(self.grids[:scales], self.rope_grid)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each scale."""
        return tuple(h * w for h, w in self.grids)

    @property
    def total(self) -> int:
        """Tokens of all scales."""
        return sum(self.lengths)

    def latent_grids(self, patch: int = 1) -> tuple[Grid, ...]:
        """Grids in VAE cells, where one token covers patch x patch cells."""
        return tuple((h * patch, w * patch) for h, w in self.grids)


PN_SCALES: dict[str, int] = {"0.06M": 7, "0.25M": 10, "0.60M": 12, "1M": 13}
"""Scales of each published resolution: prefixes of one list."""

_TALL: dict[str, str] = {
    "1.0": "1x1 2x2 4x4 6x6 8x8 12x12 16x16 20x20 24x24 32x32 40x40 48x48 64x64",
    "1.25": "1x1 2x2 3x3 5x4 10x8 15x12 20x16 25x20 30x24 35x28 45x36 55x44 70x56",
    "1.333": "1x1 2x2 4x3 8x6 12x9 16x12 20x15 24x18 28x21 36x27 48x36 60x45 72x54",
    "1.5": "1x1 2x2 3x2 6x4 9x6 15x10 21x14 27x18 33x22 39x26 48x32 63x42 78x52",
    "1.75": "1x1 2x2 3x3 7x4 11x6 14x8 21x12 28x16 35x20 42x24 56x32 70x40 84x48",
    "2.0": "1x1 2x2 4x2 6x3 10x5 16x8 22x11 30x15 38x19 46x23 60x30 74x37 90x45",
    "2.5": "1x1 2x2 5x2 10x4 15x6 20x8 25x10 30x12 40x16 50x20 65x26 80x32 100x40",
    "3.0": "1x1 2x2 6x2 9x3 15x5 21x7 27x9 36x12 45x15 54x18 72x24 90x30 111x37",
}
_WIDE_KEY = {"1.25": "0.8", "1.333": "0.75", "1.5": "0.666", "1.75": "0.571", "2.0": "0.5", "2.5": "0.4",
             "3.0": "0.333"}


def _parse(grids: str) -> tuple[Grid, ...]:
    return tuple((int(h), int(w)) for h, w in (grid.split("x") for grid in grids.split()))


FULL_SCHEDULES: dict[str, ScaleSchedule] = {ratio: ScaleSchedule(_parse(grids)) for ratio, grids in _TALL.items()}
"""The 13-scale schedules by aspect ratio (height / width)."""
FULL_SCHEDULES |= {wide: ScaleSchedule(tuple((w, h) for h, w in FULL_SCHEDULES[tall].grids))
                   for tall, wide in _WIDE_KEY.items()}


def nearest_ratio(text: str) -> str | None:
    """The published aspect ratio (height / width) nearest to a number, or to WIDTH:HEIGHT as screens are described; None for other text."""
    given = re.fullmatch(r"(\d+(?:\.\d+)?)(?:[:x×](\d+(?:\.\d+)?))?", text.strip())
    width, height = (float(part or 1) for part in given.groups()) if given else (0.0, 0.0)
    if not width or not height:
        return None
    ratio = height / width if given and given[2] else width
    return min(FULL_SCHEDULES, key=lambda known: abs(log(float(known) / ratio)))


def published_schedule(pn: str = "1M", ratio: str = "1.0") -> ScaleSchedule:
    """Schedule of a published resolution ("0.06M" is 256 pixels, "1M" 1024) and aspect ratio (height / width).

    Raises ValueError for an unknown resolution or ratio.
    """
    for value, known, what in ((pn, PN_SCALES, "resolution"), (ratio, FULL_SCHEDULES, "aspect ratio")):
        if value not in known:
            near = get_close_matches(value, known, n=1, cutoff=0.1) or list(known)[:1]
            raise ValueError(f"unknown {what} {value!r}: use one of {', '.join(known)}; nearest is {near[0]!r}")
    return FULL_SCHEDULES[ratio].prefix(PN_SCALES[pn])
