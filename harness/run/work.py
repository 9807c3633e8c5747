"""Units carried out: those of a part of a run that are missing, then those that other processes have not begun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Console

from harness.compute.amounts import counted
from harness.memory import release
from harness.run.prepared import Run
from harness.run.progress import RunProgress
from harness.run.remeasure import remeasure
from harness.run.run_unit import FinishedUnit, run_unit
from harness.run.setbacks import Setbacks, hits_all
from harness.run.shard import Shard, at_work, divided
from harness.run.timing import EVALUATION, LOAD
from harness.run.units import WorkUnit
from results.claims import Claims
from results.environment import unit_source
from results.parts import Making
from results.reuse import bring_images
from results.store import Store


def work_on(run: Run, units: list[WorkUnit], console: Console, setbacks: Setbacks) -> None:
    """Run those of `units` that are missing."""
    missing = _missing(run, units)
    done = len(units) - len(missing)
    if done:
        there = {unit.key for unit in units} - {unit.key for unit in missing}
        others = _by_other_source(run.store, [unit for unit in units if unit.key in there])
        console.print(f"going on: {done} of {counted(len(units), 'unit')} {'is' if done == 1 else 'are'} there{others}", highlight=False)
    ran = _run(run, missing, len(units), console, setbacks)
    if done:
        console.print(f"{counted(ran, 'unit')} done now, {done} {'was' if done == 1 else 'were'} there", highlight=False)


def help_others(run: Run, shard: Shard, console: Console, setbacks: Setbacks) -> None:
    """Run units that nobody has begun, from the end: processes of other shards come from the front.

    And again, until there is nothing to do: one that had a unit, also of this shard, may have died meanwhile.
    """
    missing, done, ran = _missing(run, run.units), 0, 1
    if not missing:
        return
    whose = {unit.key: Shard(number, shard.count) for number, part in enumerate(divided(run.units, shard.count)) for unit in part}
    console.print(f"helping other shards: {counted(len(missing), 'unit')} not done, {_of_whom(run, missing, whose)}", highlight=False)
    while missing and ran:
        ran = _run(run, missing[::-1], len(missing), console, setbacks, whose)
        done += ran
        missing = _missing(run, missing)
    console.print(f"{counted(done, 'unit')} done to help", highlight=False)


def _missing(run: Run, units: list[WorkUnit]) -> list[WorkUnit]:
    with run.watch.section("store"):
        return [unit for unit in units if run.store.part(unit.key) is None]


def _of_whom(run: Run, missing: list[WorkUnit], whose: Mapping[str, Shard]) -> str:
    """Of which shards these units are, and which of them are not at work, as far as all divide the run alike."""
    counts, busy = Counter(whose[unit.key] for unit in missing), at_work(run.store.folder)
    alike = all(one.count == owner.count for one in busy for owner in counts)
    absent = {owner for owner in counts if alike and owner not in busy}
    in_order = sorted(counts, key=lambda owner: owner.number)
    return ", ".join(f"{counts[owner]} of shard {owner}{' (not at work)' if owner in absent else ''}" for owner in in_order)


def _run(
    run: Run, missing: list[WorkUnit], of: int, console: Console, setbacks: Setbacks, whose: Mapping[str, Shard] | None = None
) -> int:
    """Run those of `missing`, the last of `of` units, that no other process has or does; returns how many were finished.

    whose: the shard that each is of by its key, where this process helps.
    """

    def title(unit: WorkUnit) -> str:
        drawn = ", measured on pictures of another run" if unit.key in run.reuse.pictures else ""
        return f"{unit.title}{drawn}, of shard {whose[unit.key]}, as nobody works on it" if whose else unit.title + drawn

    work = _work_of(run, missing)
    ran, planned = 0, sum(work.values())
    with Claims(run.store.folder) as claims, RunProgress(console, of, of - len(missing), planned) as progress:
        for unit in missing:
            if not _free(run, unit, claims, setbacks):
                progress.leave_out(work[unit.key])
                continue
            progress.begin(title(unit))
            finished = _attempted(run, unit, console, setbacks)
            if finished is None:
                claims.give_up(unit.key)
                progress.leave_out(work[unit.key])
                continue
            setbacks.finished(unit)
            claims.settle(unit.key)
            ran += 1
            progress.finish(title(unit), finished.images, work[unit.key])
    return ran


def _free(run: Run, unit: WorkUnit, claims: Claims, setbacks: Setbacks) -> bool:
    """Whether a unit is this process's to do now; it is claimed then."""
    if setbacks.rules_out(unit) or not claims.take(unit.key):
        return False
    if run.store.part(unit.key) is not None:
        claims.settle(unit.key)
        return False
    if setbacks.rules_out(unit):  # who had it a moment ago has noted that it failed
        claims.give_up(unit.key)
        return False
    return True


def _attempted(run: Run, unit: WorkUnit, console: Console, setbacks: Setbacks) -> FinishedUnit | None:
    """A unit, saved, or None where it failed, which is noted; raises what would hit every other unit too."""
    try:
        finished, making = _remeasured(run, unit, console) or _work(run, unit, console)
        with run.watch.section("store"):
            run.store.save(unit.key, finished.rows, making)
        return finished
    except Exception as error:
        if hits_all(error, run.session.devices):
            raise
        console.print(setbacks.note(unit, error), highlight=False, markup=False)
    release()  # outside of the handler: the error holds on to what has to be freed
    return None


def _work_of(run: Run, units: Sequence[WorkUnit]) -> dict[str, float]:
    """How much each unit has to do, by its key: beside what is drawn, what is only measured is nothing."""
    only_measured = all(unit.key in run.reuse.pictures for unit in units)
    return {unit.key: 1.0 if only_measured else 0.0 if unit.key in run.reuse.pictures else unit.planned_flops for unit in units}


def _remeasured(run: Run, unit: WorkUnit, console: Console) -> tuple[FinishedUnit, Making] | None:
    """A unit whose pictures another run has; None, and a line, where none has them whole."""
    sources = run.reuse.sources.get(unit.key, ())
    for one in sources:
        other = Store(one.folder)
        if (tables := other.whole_part(one.key)) is None:
            continue
        making = other.makings([one.key])[one.key]
        with run.watch.section(EVALUATION):
            finished = remeasure(unit, run.session.evaluator, tables, making, one.folder)
        with run.watch.section("images"):
            bring_images(run.store, other, tables)
        return finished, replace(making, ungraded=finished.ungraded, metrics=unit.judging)
    if sources:
        where = " and ".join(str(one.folder) for one in sources)
        console.print(f"drawn anew, as it is damaged in {where}: {unit.title}", highlight=False, markup=False)
    return None


def _work(run: Run, unit: WorkUnit, console: Console) -> tuple[FinishedUnit, Making]:
    rows = run.session.max_rows(unit.model)
    with run.watch.section(LOAD):  # outside of what is timed as the search's
        run.session.warm_up(unit.model, unit.prompts, lambda: _largest_batch(run, unit.model))
    finished = run_unit(run.session, unit, run.store.save_image, run.watch)
    if run.session.max_rows(unit.model) < rows:
        left = run.session.max_rows(unit.model)
        said = f"out of memory: {unit.model} goes on with max_rows={left}, results are the same up to rounding"
        console.print(said, highlight=False)
    return finished, _making(run, unit, finished)


def _largest_batch(run: Run, model: str) -> int:
    """Rows that a unit of a model can have at once, at most: each ends as an image, or is looked at and dropped."""
    session, largest = run.session, 0
    for unit in (unit for unit in run.units if unit.model == model):
        lengths = session.text_tokens(model, unit.prompts)
        for name, budgets in unit.budgets.items():
            plans = [session.plan(model, unit.search, name, budgets[-1], tokens) for tokens in lengths]
            largest = max(largest, round(sum(plan.limited.images for plan in plans)))
    return largest


def _making(run: Run, unit: WorkUnit, finished: FinishedUnit) -> Making:
    source, rows = unit_source(unit.all_packages), run.session.max_rows(unit.model)
    return Making(source, finished.ungraded, run.session.computed_on, run.shards, rows, unit.judging)


def _by_other_source(store: Store, units: list[WorkUnit]) -> str:
    """What a person should know of units that are kept although the source has changed since; "" where it has not."""
    current = {packages: unit_source(packages) for packages in {unit.all_packages for unit in units}}
    others = sum(current[unit.all_packages] not in store.sources([unit.key]) for unit in units)
    if not others:
        return ""
    which = "made by another state" if others == len(units) else f"{others} of them by another state"
    return f", {which} of the source than this one: they stay as they are, a new --out makes them anew"
