"""A prepared run carried out: what is missing is run or taken over, and the tables are made."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from harness.compute.amounts import counted
from harness.run.prepared import Run, check_reuse, run_manifest, taken_lines
from harness.run.setbacks import Setbacks
from harness.run.shard import Shard, or_join
from harness.run.timing import profile_lines
from harness.run.work import help_others, work_on
from results.files import InUse, alone, locked, locked_part, remove_temporary, write_atomic
from results.reuse import take_over
from results.store import Incomplete


def finish_run(run: Run, console: Console) -> Path:
    """Run the units that are missing and make the tables; returns the run's folder.

    A unit that fails is noted and the others are run.

    Raises:
        WrongInput: the folder holds a different run, or is in use, or nothing can be taken from the folders to reuse.
        UnitsFailed: some did, and there are no tables.
        RunFailed: the disk is full, or a device lost; finished units are kept.
    """
    store = run.store
    check_reuse(run)
    store.folder.mkdir(parents=True, exist_ok=True)
    with or_join(store.folder), locked(store.folder):
        _open(run, console)
        setbacks = Setbacks(run.store, run.units)
        work_on(run, run.units, console, setbacks)
        setbacks.check()
        _compact(run, console)
    return store.folder


def finish_shard(run: Run, shard: Shard, console: Console) -> str:
    """Run the missing units of one shard, then what others have not begun; who is last makes the tables.

    A unit that fails is noted, and no shard that is at work tries it again.

    Returns why there are none yet, "" where there are.

    Raises:
        WrongInput: the folder holds a different run, or this shard, or all of the run, is in work elsewhere, or nothing can be taken
            from the folders to reuse and no shard has begun.
        UnitsFailed: some did: of this shard or, where it is the last at work, of any.
        RunFailed: the disk is full, or a device lost; finished units are kept.
    """
    store, run.shards = run.store, shard.count
    check_reuse(run)
    store.folder.mkdir(parents=True, exist_ok=True)
    with locked_part(store.folder, shard.lock):
        with run.opening or alone(store.folder):
            _open(run, console, shared=True)
        setbacks = Setbacks(run.store, run.units)
        work_on(run, shard.of(run.units), console, setbacks)
        help_others(run, shard, console, setbacks)
    try:
        with locked(store.folder):
            remove_temporary(store.folder)
            setbacks.check()
            _compact(run, console)
    except Incomplete as error:
        left = error.missing
        return (f"shard {shard} is finished, {counted(left, 'unit')} of others {'is' if left == 1 else 'are'} missing: give this command "
                "again")  # fmt: skip
    except InUse:
        setbacks.check(alone=False)
        return f"shard {shard} is finished, others are in work: the last one makes the tables"
    return ""


def _open(run: Run, console: Console, shared: bool = False) -> None:
    with run.watch.section("store"):
        run.store.open(run_manifest(run), shared)
        run.store.keep_units([unit.key for unit in run.units])
        take_over(run.store, run.reuse)
        for line in taken_lines(run):
            console.print(line, highlight=False, markup=False)
        if run.session.calibrations:
            run.store.keep_calibration({name: one.as_rows() for name, one in run.session.calibrations.items()})


def _compact(run: Run, console: Console) -> None:
    with run.watch.section("store"):
        run.store.compact([unit.key for unit in run.units])
        left = 0 if run.session.evaluator.notes else run.store.ungraded([unit.key for unit in run.units])
    if left:
        line = (f"{counted(left, 'image')} stay{'s' if left == 1 else ''} without a grade, as weights of the grader were not here then: "
                f"--reuse {run.store.folder} with another --out grades what was selected, and draws nothing anew")  # fmt: skip
        console.print(line, highlight=False)


def write_profile(run: Run) -> list[str]:
    """Write where the time went so far to profile.json; returns it as lines."""
    profile = run.watch.profile()
    write_atomic(run.store.folder / "profile.json", (json.dumps(profile, indent=2) + "\n").encode())
    return profile_lines(profile)
