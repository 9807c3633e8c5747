"""What a plan says of the hours of a card: the sum, what is left for a shard, and which searches take more than their FLOPs say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.compute.amounts import hours
from harness.forecast.forecast import Forecast
from harness.forecast.gpu_hours import gpu_hours
from harness.forecast.in_all import planned_flops
from harness.forecast.skipped_units import left, saves
from harness.run.prepared import Run
from harness.run.shard import Shard

_OFTEN = 0.05
"""So much more of the FLOPs than in an image alone: as decoders reach about a quarter of the passes' speed (docs/speed.md), it
makes hours a seventh more."""


def hours_lines(
    run: Run, every: Sequence[Forecast], flops: Mapping[str, float], speeds: Mapping[str, float], shard: Shard | None
) -> Iterator[str]:
    """All hours for people; flops: computed in all, by model."""
    said = f"roughly {hours(gpu_hours(flops, speeds))} GPU-hours at the speeds given"
    if saves(run):
        said += f", {hours(hours_left(run, every, flops, speeds))} of them still to do"
    if shard is not None:
        which = "these" if saves(run) else "them"
        said += f", {hours(hours_left(run, every, flops, speeds, shard))} of {which} in shard {shard}"
    yield f"{said}; loading, grading and the report come on top"
    yield "these hours take a model's speed as the same in every search: in batches as full, and on such a card, as it was measured with"
    often: dict[str, list[Forecast]] = {}
    for one in every:
        if one.decoding > one.image_decoding + _OFTEN:
            often.setdefault(f"{one.model} {one.search}", []).append(one)
    if often:
        named = ", ".join(f"{name} ({most_decoding(found)})" for name, found in often.items())
        yield f"more hours than said: decoders run slower than passes, and these decode more than random does: {named}"


def most_decoding(found: Sequence[Forecast]) -> str:
    """The decoder's share under one verifier and budget, or the largest of several, beside that in an image alone."""
    most = max(found, key=lambda one: one.decoding)
    up_to = "up to " if len({f"{one.decoding:.0%}" for one in found}) > 1 else ""
    return f"{up_to}{most.decoding:.0%} of its FLOPs, {most.image_decoding:.0%} in random"


def line_hours(forecast: Forecast, speeds: Mapping[str, float]) -> float:
    """GPU-hours of one line, all prompts and seeds, as if it were alone: lines of one pool compute its images once in all."""
    return gpu_hours(forecast.divided(forecast.total.flops), speeds)


def hours_left(
    run: Run, every: Sequence[Forecast], flops: Mapping[str, float], speeds: Mapping[str, float], shard: Shard | None = None
) -> float:
    """GPU-hours of what is not taken over from other runs, by a shard or in all: what these units are planned to take of all."""
    own, whole = (gpu_hours(planned_flops(units, every), speeds) for units in (left(run, shard), run.units))
    return gpu_hours(flops, speeds) * own / (whole or 1)
