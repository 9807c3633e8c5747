"""What of a planned run need not be computed here: units that another run has, and those of other shards."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.compute.amounts import counted
from harness.run.prepared import Run, why_none
from harness.run.shard import Shard
from harness.run.units import WorkUnit
from results.reuse import held
from results.store import Store


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
    """What would be taken over from each folder to reuse."""
    keys = [unit.key for unit in run.units]
    return {folder: _part(run, held(Store(folder), keys)) for folder in map(Path, run.session.settings.reuse)}


def of_shard(run: Run, shard: Shard) -> UnitShare:
    """What this shard would run of a run of which nothing is there."""
    return _part(run, {unit.key for unit in shard.of(run.units)})


def skipped_lines(run: Run, shard: Shard | None) -> Iterator[str]:
    """Both for people."""
    for folder, part in reused(run).items():
        yield f"taken from {folder}: {part}" + ("" if part.units else f": {why_none(run, folder)}")
    if len(run.session.settings.reuse) > 1:
        yield f"taken from all of them: {all_reused(run)}"
    if shard is not None:
        part, taken = of_shard(run, shard), len(shard.of(run.units)) - len(left(run, shard))
        yield f"shard {shard}: {part}" + (f", {taken} of them taken over" if taken else "" if part.units else
                                          ": nothing to do, there are more shards than units")  # fmt: skip


def skipped_values(run: Run, shard: Shard | None) -> dict[str, Any]:
    """Both for programs."""
    return {
        **({"reused": all_reused(run).as_values()} if run.session.settings.reuse else {}),
        **({"shard": {**of_shard(run, shard).as_values(), "units_left": len(left(run, shard))}} if shard is not None else {}),
    }


def all_reused(run: Run) -> UnitShare:
    """What would be taken over in all: a unit of several folders counts once."""
    return _part(run, _reused_keys(run))


def left(run: Run, shard: Shard | None = None) -> list[WorkUnit]:
    """The units, of all or of a shard, that are not taken over."""
    taken = _reused_keys(run)
    return [unit for unit in (run.units if shard is None else shard.of(run.units)) if unit.key not in taken]


def _reused_keys(run: Run) -> set[str]:
    keys = [unit.key for unit in run.units]
    return {key for folder in run.session.settings.reuse for key in held(Store(Path(folder)), keys)}


def _part(run: Run, keys: Collection[str]) -> UnitShare:
    total = sum(unit.planned_flops for unit in run.units)
    own = [unit.planned_flops for unit in run.units if unit.key in keys]
    return UnitShare(len(own), len(run.units), sum(own) / total if total else 0.0)
