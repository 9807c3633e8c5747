"""A prepared run carried out: what is missing is run or taken over, and the tables are made."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from harness.compute.amounts import counted
from harness.run.engines import Engine, local
from harness.run.prepared import Run, check_reuse, run_manifest, why_none
from harness.run.shard import Shard
from harness.run.timing import profile_lines
from harness.run.work import help_others, work_on
from results.files import InUse, alone, locked, locked_part, remove_temporary, write_atomic
from results.reuse import take_over
from results.store import Incomplete


def finish_run(run: Run, console: Console, engine: Engine = local) -> Path:
    """Run the units that are missing and make the tables; returns the run's folder.

    Raises:
        WrongInput: the folder holds a different run, or is in use, or nothing can be taken from the folders to reuse.
        RunFailed: the disk is full; finished units are kept.
    """
    store = run.store
    check_reuse(run)
    store.folder.mkdir(parents=True, exist_ok=True)
    with locked(store.folder):
        _open(run, console)
        work_on(run, run.units, console, engine)
        _compact(run, console)
    return store.folder


def finish_shard(run: Run, shard: Shard, console: Console, engine: Engine = local) -> str:
    """Run the missing units of one shard, then what others have not begun; who is last makes the tables.

    Returns why there are none yet, "" where there are.

    Raises:
        WrongInput: the folder holds a different run, or this shard, or all of the run, is in work elsewhere, or nothing can be taken
            from the folders to reuse and no shard has begun.
        RunFailed: the disk is full; finished units are kept.
    """
    store = run.store
    check_reuse(run)
    store.folder.mkdir(parents=True, exist_ok=True)
    with locked_part(store.folder, shard.lock):
        with alone(store.folder):
            _open(run, console, shard)
        work_on(run, shard.of(run.units), console, engine)
        help_others(run, console, engine)
    try:
        with locked(store.folder):
            remove_temporary(store.folder)
            _compact(run, console)
    except Incomplete as error:
        left = error.missing
        return (f"shard {shard} is finished, {counted(left, 'unit')} of others {'is' if left == 1 else 'are'} missing: give this command "
                "again")  # fmt: skip
    except InUse:
        return f"shard {shard} is finished, others are in work: the last one makes the tables"
    return ""


def _open(run: Run, console: Console, shard: Shard | None = None) -> None:
    with run.watch.section("store"):
        run.store.open(run_manifest(run, shard.count if shard else 1), shared=shard is not None)
        run.store.keep_units([unit.key for unit in run.units])
        found = take_over(run.store, [unit.key for unit in run.units], [Path(one) for one in run.session.settings.reuse])
        for folder, count in found.items():
            why = "" if count else f": {why_none(run, folder)}"
            line = f"{counted(count, 'unit')} of {len(run.units)} {'is' if count == 1 else 'are'} taken from {folder}{why}"
            console.print(line, highlight=False, markup=False)
        if run.session.calibrations:
            run.store.keep_calibration({name: one.as_rows() for name, one in run.session.calibrations.items()})


def _compact(run: Run, console: Console) -> None:
    with run.watch.section("store"):
        run.store.compact([unit.key for unit in run.units])
        left = 0 if run.session.evaluator.notes else run.store.ungraded([unit.key for unit in run.units])
    if left:
        line = (f"{counted(left, 'image')} stay{'s' if left == 1 else ''} without a grade, as weights of the grader were not here then: "
                "`vistas export`, then `vistas score` grades what was selected")  # fmt: skip
        console.print(line, highlight=False)


def write_profile(run: Run) -> list[str]:
    """Write where the time went so far to profile.json; returns it as lines."""
    profile = run.watch.profile()
    write_atomic(run.store.folder / "profile.json", (json.dumps(profile, indent=2) + "\n").encode())
    return profile_lines(profile)
