"""What a plan says of the time that searches take: the sum, what is left for a shard, where speeds come from, and what is not in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.compute.clock import PATCHES
from harness.compute.prices import REFINING
from harness.forecast.forecast import Forecast
from harness.forecast.in_all import computed_seconds
from harness.forecast.skipped_units import left, saves
from harness.forecast.unsure import unsure_lines
from harness.run.prepared import Run
from harness.run.progress import duration
from harness.run.shard import Shard


def time_lines(run: Run, every: Sequence[Forecast], shard: Shard | None) -> Iterator[str]:
    """For people."""
    said = f"about {duration(computed_seconds(run.units, every))} of searching in all"
    if saves(run):
        said += f", {duration(computed_seconds(left(run), every))} of it still to do"
    if shard is not None:
        whose = "that" if saves(run) else "it"
        said += f", {duration(computed_seconds(left(run, shard), every))} of {whose} in shard {shard}"
    yield f"{said}; loading, grading and the report come on top"
    yield from _told(run, every)
    for name in _unmeasured(every):
        scored = name.removeprefix(REFINING).removeprefix("score ")
        how = f"--verifier {scored}" if scored != name else "a --verifier" if name == PATCHES else "more steps"
        yield f"more time than said: {name} was not measured and lasts nothing here: measure it by bench-model with {how}"
    yield from unsure_lines(run.session, every)


def time_values(run: Run, every: Sequence[Forecast], shard: Shard | None) -> dict[str, Any]:
    """For programs."""
    files = run.session.speed_files is not None
    return {
        "computed_seconds": computed_seconds(run.units, every),
        **({"computed_seconds_left": computed_seconds(left(run), every)} if saves(run) else {}),
        **({"shard_seconds": computed_seconds(left(run, shard), every)} if shard is not None else {}),
        **({"speeds": list(_told(run, every)), "unmeasured": _unmeasured(every)} if files else {}),
        **({"unsure": list(unsure_lines(run.session, every))} if files else {}),
    }


def _told(run: Run, every: Sequence[Forecast]) -> Iterator[str]:
    """Where the speeds of every model come from, each once."""
    known = filter(None, map(run.session.speeds, dict.fromkeys(one.model for one in every)))
    yield from dict.fromkeys(sentence for one in known for sentence in one.told)


def _unmeasured(every: Sequence[Forecast]) -> list[str]:
    return sorted({name for one in every for name in one.unmeasured})
