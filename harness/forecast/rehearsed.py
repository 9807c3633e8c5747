"""Every search of a prepared run, rehearsed without its models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from harness.compute.ledger import Budget, Cost
from harness.compute.prices import REFINING
from harness.forecast.forecast import Forecast, Variant
from harness.run.prepared import Run
from harness.run.session import Session
from harness.run.units import WorkUnit
from harness.search.adaptive import Allocating
from harness.search.simulation import Call, Simulated, simulate
from models.base import Reading
from models.pair import Pair
from suites.base import Prompt


def forecasts(run: Run) -> Iterator[Forecast]:
    """A forecast of every search that a prepared run holds, in the order they run."""
    session = run.session
    units: dict[tuple[str, str, str, Budget], list[WorkUnit]] = {}
    for unit in run.units:
        for verifier, budgets in unit.budgets.items():
            for budget in budgets:
                units.setdefault((unit.model, unit.search, verifier, budget), []).append(unit)
    for key, own in units.items():
        yield _forecast(session, *key, [unit for unit in own if unit.seed == own[0].seed])


def rehearsed(
    session: Session, model: str, search: str, verifier: str, budget: Budget, prompts: Sequence[Prompt], whole: bool = True
) -> Simulated:
    """One search of prompts, simulated; `whole`: they are those of a unit, and share its batches; else what one asks for is counted."""
    speeds = session.speeds(model)
    return simulate(
        session.searches[search], session.models[model], session.verifiers[verifier], prompts, budget, session.calibration(model),
        speeds.speeds if speeds and whole else None, session.max_rows(model),
    )  # fmt: skip


def _forecast(
    session: Session, model: str, search: str, verifier: str, budget: Budget, units: Sequence[WorkUnit]
) -> Forecast:
    """`units`: those of one seed."""
    speeds, simulated = session.speeds(model), partial(rehearsed, session, model, search, verifier, budget)
    lengths = session.text_tokens(model, session.prompts)
    variants = tuple(
        Variant(lengths.count(length), session.plan(model, search, verifier, budget, length))
        for length in sorted(set(lengths))
    )
    longest = session.prompts[lengths.index(max(lengths))]
    alone = simulated([longest], whole=False)
    rows = alone.rows
    if variants[-1].plan.passes:
        rows = {**rows, "predict": (*variants[-1].plan.passes, 0)}
    shared = lasting = None
    done: list[tuple[Simulated, int]] = []
    if isinstance(session.searches[search], Allocating):
        done = [(simulated(unit.prompts), 1) for unit in units]
        shared = Simulated({}, sum((one.spent for one, _ in done), Cost()), sum(one.looks for one, _ in done))
    elif speeds:
        sizes = Counter(len(unit.prompts) for unit in units)
        first = {len(unit.prompts): unit.prompts for unit in reversed(units)}  # units of as many prompts last as long
        done = [(simulated(first[size]), count) for size, count in sizes.items()]
        lasting = sum((one.spent * count for one, count in done), Cost())
    calls: Counter[Call] = sum((Counter({call: often * count for call, often in one.calls.items()}) for one, count in done), Counter())
    generator, image = session.models[model], session.prices(model, verifier, max(lengths)).image()
    refining = refined_flops(generator, alone.rows) / (alone.spent.flops or 1) if isinstance(generator, Pair) else 0.0
    parts = (generator.draft, generator.refine) if isinstance(generator, Pair) else (generator,)
    texts = [prompt.text for prompt in session.prompts]
    unread = sum(map(any, zip(*(part.truncated(texts) for part in parts if isinstance(part, Reading)), strict=True)))
    return Forecast(
        model, search, verifier, budget, variants, len(session.settings.seeds), rows,
        not all(variant.plan.exact for variant in variants), shared, session.calibration(model) is not None,
        lasting, alone.operations & speeds.speeds.unmeasured if speeds else frozenset(),
        refining, image.decode_flops / (image.flops or 1), unread, calls,
    )  # fmt: skip


def refined_flops(pair: Pair, rows: Mapping[str, Sequence[int]]) -> float:
    """FLOPs of the second model of a pair for a prompt of which it has these rows (`Simulated.rows`): each of its images begins with one
    that is embedded."""
    refine: Any = pair.refine  # whose operations are named in a rehearsal's words
    own = {name.removeprefix(REFINING): counts for name, counts in rows.items() if name.startswith(REFINING)}
    own |= {"embed": (sum(own.get("decode", ())),), "encode": (1,)}
    work = ((name, step, count) for name, counts in own.items() for step, count in enumerate(counts) if count)
    return float(sum(refine.price(name, step, pair.refine_tokens).flops * count for name, step, count in work))
