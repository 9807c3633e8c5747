"""What a plan says of shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.forecast.skipped_units import skipped_lines
from harness.run.shard import Shard
from results.reuse import Reuse
from results.store import Store


@dataclass(frozen=True)
class Unit:
    key: str
    planned_flops: float

    @property
    def title(self) -> str:
        return f"unit {self.key}"


def said_of(flops: Sequence[float], shard: Shard) -> list[str]:
    units = [Unit(str(place), amount) for place, amount in enumerate(flops)]
    run: Any = SimpleNamespace(units=units, session=SimpleNamespace(settings=SimpleNamespace(reuse=())), reuse=Reuse((), ()),
                               store=Store(Path("/nowhere")))
    return list(skipped_lines(run, shard))


@pytest.mark.parametrize(("flops", "said"), [
    ((34, 22, 22, 22), "more than 4 shards end no sooner: 34.0% of the FLOPs are one unit, which is not divided: unit 0"),
    ((40, 20, 20, 20), "more than 3 shards end no sooner: 40.0% of the FLOPs are one unit, which is not divided: unit 0"),
    ((25, 25, 25, 25), None),
])  # fmt: skip
def test_so_many_shards_are_named_as_end_with_the_largest_unit(flops: tuple[float, ...], said: str | None) -> None:
    """34 of 100 are more than a third, and three shards still end later: one has two of the others, 44."""
    lines = [line for line in said_of(flops, Shard(0, 4)) if "end no sooner" in line]
    assert lines == ([said] if said else [])


def test_of_many_shards_the_ends_and_the_middle_are_told() -> None:
    flops = (3, *[2] * 10, *[1] * 53)
    own, others, *_ = said_of(flops, Shard(0, 64))
    assert own == "shard 0/64: 1 unit of 64, 3.9% of the FLOPs"
    assert others == "shards 0 to 63: 1.3% to 3.9% of the FLOPs, median 1.3%"
    assert said_of(flops[:8], Shard(7, 8))[1] == "shards 0 to 7: 17.6%, 11.8%, 11.8%, 11.8%, 11.8%, 11.8%, 11.8%, 11.8% of the FLOPs"
