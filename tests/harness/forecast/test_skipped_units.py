"""What a plan says of shards."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from harness.forecast.skipped_units import skipped_lines
from harness.run.shard import Shard


@dataclass(frozen=True)
class Unit:
    key: str
    planned_flops: float

    @property
    def title(self) -> str:
        return f"unit {self.key}"


@pytest.mark.parametrize(("flops", "said"), [
    ((34, 22, 22, 22), "more than 4 shards end no sooner: 34.0% of the FLOPs are one unit, which is not divided: unit 0"),
    ((40, 20, 20, 20), "more than 3 shards end no sooner: 40.0% of the FLOPs are one unit, which is not divided: unit 0"),
    ((25, 25, 25, 25), None),
])  # fmt: skip
def test_so_many_shards_are_named_as_end_with_the_largest_unit(flops: tuple[float, ...], said: str | None) -> None:
    """34 of 100 are more than a third, and three shards still end later: one has two of the others, 44."""
    units = [Unit(str(place), amount) for place, amount in enumerate(flops)]
    run: Any = SimpleNamespace(units=units, session=SimpleNamespace(settings=SimpleNamespace(reuse=())))
    lines = [line for line in skipped_lines(run, Shard(0, 4)) if "end no sooner" in line]
    assert lines == ([said] if said else [])
