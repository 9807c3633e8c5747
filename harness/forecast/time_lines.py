"""What a plan says of the time that searches take: the sum, a shard's part, where speeds come from, and what is not in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.compute.clock import PATCHES
from harness.compute.prices import REFINING
from harness.forecast.forecast import Forecast, computed_seconds
from harness.run.prepared import Run
from harness.run.progress import duration
from harness.run.shard import Shard


def time_lines(run: Run, every: Sequence[Forecast], shard: Shard | None) -> Iterator[str]:
    """For people."""
    own = "" if shard is None else f", {duration(computed_seconds(shard.of(run.units), every))} of it in shard {shard}"
    whole = duration(computed_seconds(run.units, every))
    yield f"about {whole} of searching in all{own}; loading, grading and the report come on top"
    yield from _told(run, every)
    for name in _unmeasured(every):
        scored = name.removeprefix(REFINING).removeprefix("score ")
        how = f"--verifier {scored}" if scored != name else "a --verifier" if name == PATCHES else "more steps"
        yield f"more time than said: {name} was not measured and lasts nothing here: measure it by bench-model with {how}"


def time_values(run: Run, every: Sequence[Forecast], shard: Shard | None) -> dict[str, Any]:
    """For programs."""
    files = run.session.speed_files is not None
    return {
        "computed_seconds": computed_seconds(run.units, every),
        **({"shard_seconds": computed_seconds(shard.of(run.units), every)} if shard is not None else {}),
        **({"speeds": list(_told(run, every)), "unmeasured": _unmeasured(every)} if files else {}),
    }


def _told(run: Run, every: Sequence[Forecast]) -> Iterator[str]:
    """Where the speeds of every model come from, each once."""
    known = filter(None, map(run.session.speeds, dict.fromkeys(one.model for one in every)))
    yield from dict.fromkeys(sentence for one in known for sentence in one.told)


def _unmeasured(every: Sequence[Forecast]) -> list[str]:
    return sorted({name for one in every for name in one.unmeasured})
