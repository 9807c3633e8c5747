"""How far planned time can be off as batches of other sizes were measured than a search asks for, and how to measure these."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from shlex import join

from harness.assignments import name_of
from harness.bench.origin import DIVIDED, Origin
from harness.compute.clock import scoring
from harness.compute.prices import REFINING
from harness.compute.speeds import LARGE, Lasting, Speeds
from harness.forecast.forecast import Forecast
from harness.registry import entry
from harness.run.session import Session
from harness.search.simulation import Call
from verifiers.base import cascading

_MOST, _OPTIONS = 4, 12
"""Sizes to measure, and those among which each is looked for."""


def between(session: Session, one: Forecast) -> tuple[float, float]:
    """The least and the most that its time can be, as multiples of what is planned; 1 and 1 without speeds of whole calls."""
    known = session.speeds(one.model)
    total = known.speeds.total(one.calls) if known else Lasting(0.0, 0.0, 0.0)
    return (total.least / total.likely, total.most / total.likely) if total.likely else (1.0, 1.0)


def unsure_lines(session: Session, every: Sequence[Forecast]) -> Iterator[str]:
    """Of each measured model whose planned time may be far off: by how much, and the command that measures what is lacking."""
    found: dict[Origin, list[tuple[float, Forecast, Speeds, Counter[Call]]]] = {}
    for one in every:
        if (known := session.speeds(one.model)) is None:
            continue
        for place, origin in enumerate(known.origins):
            calls = Counter({call: often for call, often in one.calls.items() if call[0].startswith(REFINING) == bool(place)})
            total = known.speeds.total(calls)
            if _far_off(total):
                found.setdefault(origin, []).append((total.most / total.least, one, known.speeds, calls))
    for origin, those in found.items():
        _, worst, speeds, _ = max(those, key=lambda each: each[0])
        least, most = between(session, worst)
        others = len({(one.model, one.search) for _, one, _, _ in those}) - 1
        more = f" and, less so, {others} more" if others else ""
        times = f"{least:.2g} to {most:.2g} times what is said, noise apart"
        said = f"time of {worst.model} {worst.search}{more} may be {times}, by batches not measured"
        sizes = _to_measure(speeds, [calls for _, _, _, calls in those], _prompts(session))
        yield f"{said}: {_how(session, origin, speeds, sizes)}" if sizes else said


def _to_measure(speeds: Speeds, searches: Sequence[Counter[Call]], prompts: int) -> list[int]:
    """The sizes of batches, that so many prompts can share evenly, which leave least open, until little is of any; at most `_MOST`."""
    found, calls = list[int](), sum(searches, Counter[Call]())
    while len(found) < _MOST and any(_far_off(speeds.total(one)) for one in searches):
        open_at: dict[int, float] = {}
        for (operation, step, rows), often in calls.items():
            seconds = speeds.lasting(operation, step, rows)
            size = rows if rows <= prompts else round(rows / prompts) * prompts
            open_at[size] = open_at.get(size, 0.0) + often * (seconds.most - seconds.least)
        widest = sorted((size for size, left in open_at.items() if left and size not in found), key=lambda size: -open_at[size])[:_OPTIONS]
        if not widest:
            break
        supposed = {size: speeds.supposing(size) for size in widest}
        best = min(widest, key=lambda size: (left := supposed[size].total(calls)).most - left.least)
        found.append(best)
        speeds = supposed[best]
    return sorted(found)


def _far_off(total: Lasting) -> bool:
    return total.most > LARGE * total.least


def _prompts(session: Session) -> int:
    return min(session.settings.chunk, len(session.prompts))


def _how(session: Session, origin: Origin, speeds: Speeds, sizes: Sequence[int]) -> str:
    name, file = name_of(origin.model), f"{name_of(origin.model)}-more.csv"
    judges = [text for text, one in session.verifiers.items()
              if all(scoring(stage.card) in speeds.operations for stage in getattr(cascading(one), "stages", (one,)))]  # fmt: skip
    offload, (_, _, devices) = json.loads(origin.settings).get("offload", "none"), origin.device.partition(DIVIDED)
    words = ["vistas", "bench-model", origin.model, *["--random-weights"] * (entry("model", name).row is not None)]
    words += [word for text in judges for word in ("--verifier", text)]
    words += ["--batch", ",".join(map(str, sizes)), "--prompts", str(_prompts(session))]
    words += ["--offload", offload] * (offload != "none") + ["--device", devices] * bool(devices)
    return f"measure them too, on {origin.device}, and add --speeds {file}: {join([*words, '--csv', file])}"
