"""The largest batch of a model that memory is planned to suffice for, on one device or divided over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from harness.memory import SHARE
from models.multi_device import Division
from models.sheet import Sheet


def rows_that_fit(one: Sheet, free: int, weights: int | None = None) -> int:
    """The largest batch for which memory is planned to suffice beside all weights, or so many bytes of them; negative where
    these alone do not fit."""
    left = int(free * SHARE) - (one.weight_bytes if weights is None else weights)
    return one.rows_within(left) if left >= 0 else -1


def rows_divided(one: Sheet, division: Division, memory: Sequence[int]) -> int:
    """The largest batch of a model that is divided over devices with so many bytes free; negative where weights do not fit.

    A block's cache lies with the block, latents on the first device, where images are decoded.
    """
    least = []
    for at, (free, weights, blocks) in enumerate(zip(memory, division.bytes, division.blocks, strict=True)):
        left = int(free * SHARE) - weights
        if left < 0:
            return -1
        own = one.row_bytes * blocks // sum(division.blocks) if one.cache_step_bytes else one.row_bytes * (at == 0)
        least.append(left // (own + one.pass_bytes))
        if at == 0 and own:
            least.append(max(0, (left - one.decode_bytes) // own))
    return min(least)


@dataclass(frozen=True)
class Fit:
    """The largest batch of a model, and the settings that a run needs for it."""

    rows: int
    """Not above 0 where nothing fits, negative where weights alone do not."""
    settings: Mapping[str, str]

    def run_with(self, default_rows: int) -> str:
        """What a run is given, "--set max_rows=2 --set offload=model"; rows only where they are fewer than it would take by itself."""
        rows = {"max_rows": str(self.rows)} if 0 < self.rows < default_rows else {}
        return " ".join(f"--set {key}={value}" for key, value in (rows | dict(self.settings)).items())


def fit(one: Sheet, memory: Mapping[str, int], division: Division | None = None, offload: bool = True) -> Fit:
    """The largest batch on the first device, else over all of them, else with offload where the model takes it."""
    free = next(iter(memory.values()))
    rows = rows_that_fit(one, free)
    if rows > 0:
        return Fit(rows, {})
    if (divided := rows_divided(one, division, list(memory.values())) if division else 0) > 0:
        return Fit(divided, {"device": ",".join(memory)})
    if (offloaded := rows_that_fit(one, free, one.largest_bytes) if offload else 0) > 0:
        return Fit(offloaded, {"offload": "model"})
    return Fit(rows, {})


def in_words(found: Fit, memory: Mapping[str, int]) -> str:
    """ "2", "3 on cuda:0", "2 with offload=model", or that nothing fits."""
    if found.rows < 1:
        return "none: its weights do not fit" if found.rows < 0 else "none"
    if found.settings:
        return f"{found.rows} with {', '.join(f'{key}={value}' for key, value in found.settings.items())}"
    return f"{found.rows} on {next(iter(memory))}" if len(memory) > 1 else str(found.rows)


def beside(memory: Mapping[str, int], taken: int) -> dict[str, int]:
    """Free bytes by device where so many are taken on the first, where verifiers lie: all of them, as of the rest some is left over."""
    first = next(iter(memory))
    return {**memory, first: max(0, memory[first] - ceil(taken / SHARE))}
