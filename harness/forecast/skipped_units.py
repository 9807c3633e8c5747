"""What of a planned run need not be computed here: units that are there, that another run has, and those of other shards."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from harness.compute.amounts import counted
from harness.run.prepared import Run, why_none
from harness.run.shard import Shard, divided
from harness.run.units import WorkUnit

_LISTED = 8
"""Shards whose shares are told one by one."""


@dataclass(frozen=True, slots=True)
class UnitShare:
    """Some of a run's units."""

    units: int
    of: int
    flops: float
    """Their share of what all units are planned to compute."""

    def __str__(self) -> str:
        return f"{counted(self.units, 'unit')} of {self.of}, {self.flops:.1%} of the FLOPs"

    def as_values(self) -> dict[str, Any]:
        """Plain values, for programs."""
        return {"units": self.units, "flops_share": self.flops}


def reused(run: Run) -> Mapping[Path, UnitShare]:
    """What would be taken over whole from each folder to reuse."""
    return {folder: _part(run, keys) for folder, keys in run.reuse.whole.items()}


def remeasured(run: Run) -> Mapping[Path, UnitShare]:
    """Whose pictures would be taken from each folder and only be measured anew."""
    there = _there(run)
    left = {folder: [key for key in run.reuse.drawn(folder) if key not in there] for folder in run.reuse.folders}
    return {folder: _part(run, keys) for folder, keys in left.items() if keys}


def of_shards(run: Run, shards: int) -> list[UnitShare]:
    """What each of so many shards would run of a run of which nothing is there."""
    return [_part(run, {unit.key for unit in units}) for units in divided(run.units, shards)]


def skipped_lines(run: Run, shard: Shard | None) -> Iterator[str]:
    """All for people."""
    if there := _there(run):
        yield f"done in {run.store.folder}: {_part(run, there)}"
    drawn = remeasured(run)
    for folder, part in reused(run).items():
        if part.units or not run.reuse.drawn(folder):
            yield f"taken from {folder}: {part}" + ("" if part.units else f": {why_none(run, folder)}")
        if folder in drawn:
            yield f"pictures taken from {folder}: {drawn[folder]}; what is missing of metrics is measured, in a time that is not planned"
    if len(run.reuse.folders) > 1:
        yield f"taken from all of them: {all_reused(run)}"
    if shard is not None:
        parts = of_shards(run, shard.count)
        part, taken = parts[shard.number], len(shard.of(run.units)) - len(left(run, shard))
        yield f"shard {shard}: {part}" + (f", {taken} of them done or taken over" if taken else "" if part.units else
                                          ": nothing to do, there are more shards than units")  # fmt: skip
        yield f"shards 0 to {shard.count - 1}: {_shares([one.flops for one in parts])}"
        largest = max(run.units, key=lambda unit: unit.planned_flops)
        alone = _part(run, [largest.key]).flops
        if alone > 1 / shard.count:
            most = next(number for number in count(ceil(1 / alone)) if max(part.flops for part in of_shards(run, number)) <= alone + 1e-9)
            yield (f"more than {most} shards end no sooner: {alone:.1%} of the FLOPs are one unit, which is not divided: "
                   f"{largest.title}")  # fmt: skip


def _shares(shares: Sequence[float]) -> str:
    """Each share, or of many the ends and the middle."""
    if len(shares) <= _LISTED:
        return f"{', '.join(f'{share:.1%}' for share in shares)} of the FLOPs"
    return f"{min(shares):.1%} to {max(shares):.1%} of the FLOPs, median {median(shares):.1%}"


def skipped_values(run: Run, shard: Shard | None) -> dict[str, Any]:
    """All for programs."""
    return {
        **({"done": _part(run, there).as_values()} if (there := _there(run)) else {}),
        **({"reused": all_reused(run).as_values()} if run.session.settings.reuse else {}),
        **(_shard_values(run, shard) if shard is not None else {}),
    }


def _shard_values(run: Run, shard: Shard) -> dict[str, Any]:
    parts = [part.as_values() for part in of_shards(run, shard.count)]
    return {"shard": {**parts[shard.number], "units_left": len(left(run, shard))}, "shards": parts}


def all_reused(run: Run) -> UnitShare:
    """What would not be drawn in all: a unit of several folders counts once."""
    return _part(run, _reused_keys(run))


def saves(run: Run) -> bool:
    """Whether a plan is to say what is left: units are there, or folders to take them from."""
    return bool(run.session.settings.reuse or _there(run))


def _there(run: Run) -> set[str]:
    """The units that the run's own folder has; nothing is read."""
    return {unit.key for unit in run.units if run.store.part_path(unit.key).exists()}


def left(run: Run, shard: Shard | None = None) -> list[WorkUnit]:
    """The units, of all or of a shard, that are still to be drawn."""
    taken = _reused_keys(run) | _there(run)
    return [unit for unit in (run.units if shard is None else shard.of(run.units)) if unit.key not in taken]


def _reused_keys(run: Run) -> set[str]:
    return {*run.reuse.pictures, *(key for keys in run.reuse.whole.values() for key in keys)}


def _part(run: Run, keys: Collection[str]) -> UnitShare:
    total = sum(unit.planned_flops for unit in run.units)
    own = [unit.planned_flops for unit in run.units if unit.key in keys]
    return UnitShare(len(own), len(run.units), sum(own) / total if total else 0.0)
