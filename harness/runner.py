"""A run from its settings to its finished tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.amounts import counted
from harness.config import Settings, run_folder
from harness.engines import Engine, local
from harness.errors import WrongInput
from harness.execute import execute
from harness.ledger import Unit
from harness.lineup import line_up
from harness.planning import plan_units
from harness.prices import Calibration
from harness.progress import RunProgress
from harness.session import Session, open_session, unused_weights
from harness.shard import Shard
from harness.suites import prompt_notes, suite_notes
from harness.timing import LOAD, Stopwatch, profile_lines
from harness.units import WorkUnit
from harness.weights.hub import ABSENT, AbsentWeights, MissingWeights
from harness.weights.local import LocalWeights
from results.environment import environment, unit_source
from results.files import InUse, alone, locked, locked_part, remove_temporary, write_atomic
from results.kinship import strangers
from results.manifest import card_values, manifest
from results.reuse import take_over
from results.schema import GRADE
from results.store import Incomplete, Store


@dataclass(slots=True)
class Run:
    """A run that is ready: every name checked, every unit planned, its folder its own."""

    session: Session
    units: list[WorkUnit]
    notes: list[str]
    store: Store
    watch: Stopwatch


def prepare_run(
    settings: Settings, out: Path | None, measured: bool = False, say: Callable[[str], None] = lambda line: None,
    outlines: bool = False,
) -> Run:
    """Check, load and plan a run; nothing is written yet. `measured` plans seconds whatever the budgets' unit.

    `say` hears what takes time before the first unit. `outlines`: what has no weights here is planned from its configuration,
    but for seconds, which have to be measured; such a run cannot be finished.

    Raises:
        ValueError: anything that cannot be run as asked, in one line.
    """
    watch = Stopwatch()
    with watch.section(LOAD):
        lineup = line_up(settings.run(), LocalWeights.parse(settings.weights))
        say(f"loading {', '.join(lineup.models)} and {', '.join(dict.fromkeys((*settings.verifiers, *lineup.metrics)))}")
        timed = measured or settings.unit is Unit.SECONDS
        try:
            session = open_session(settings, lineup, watch, outlines and not timed)
        except AbsentWeights as error:
            if not (outlines and timed):
                raise
            raise MissingWeights(f"{error}; seconds are measured with weights, a plan by --unit flops and without --calibrate needs none "
                                 "(--tflops says GPU-hours)") from error  # fmt: skip
        for name in unused_weights(session, lineup):
            say(f"--weights {name} is not used: {name} is not in this run")
        session.measured = measured
    store = Store(run_folder(settings, out))
    with watch.section("planning"):
        session.calibrations |= _kept_calibrations(store, session)
        if timed and not session.calibrations:
            say("calibrating: every operation of every model and verifier is timed")
        units, refused = plan_units(session, lineup)
    suite = session.suite
    said = [*suite_notes(suite, session.domain, settings.seeds), *prompt_notes(session.prompts, suite.prompts(session.domain))]
    if session.outlined:
        names = ", ".join(session.outlined)
        said.append(f"planned from configurations, a token for each word of a prompt, as weights are not here: {names}; `vistas fetch "
                    f"{' '.join(session.outlined)}` gets them")  # fmt: skip
    notes = [*said, *lineup.notes, *refused, *session.judge.notes]
    return Run(session, units, notes, store, watch)


def finish_run(run: Run, console: Console, engine: Engine = local) -> Path:
    """Run the units that are missing and make the tables; returns the run's folder.

    Raises:
        WrongInput: the folder holds a different run, or is in use.
        RunFailed: the disk is full; finished units are kept.
    """
    store = run.store
    store.folder.mkdir(parents=True, exist_ok=True)
    with locked(store.folder):
        _open(run, console)
        _work(run, run.units, console, engine)
        _compact(run, console)
    return store.folder


def finish_shard(run: Run, shard: Shard, console: Console, engine: Engine = local) -> str:
    """Run the missing units of one shard; who is last makes the tables. Returns why there are none yet, "" where there are.

    Raises:
        WrongInput: the folder holds a different run, or this shard, or all of the run, is in work elsewhere.
        RunFailed: the disk is full; finished units are kept.
    """
    store = run.store
    store.folder.mkdir(parents=True, exist_ok=True)
    with locked_part(store.folder, shard.lock):
        with alone(store.folder):
            _open(run, console, shared=True)
        _work(run, shard.of(run.units), console, engine)
    try:
        with locked(store.folder):
            remove_temporary(store.folder)
            _compact(run, console)
    except Incomplete as error:
        left = error.missing
        return (f"shard {shard} is finished, {counted(left, 'unit')} of others {'is' if left == 1 else 'are'} missing: give their "
                "commands (again), or this one without --shard")  # fmt: skip
    except InUse:
        return f"shard {shard} is finished, others are in work: the last one makes the tables"
    return ""


def _open(run: Run, console: Console, shared: bool = False) -> None:
    with run.watch.section("store"):
        run.store.open(run_manifest(run), shared)
        run.store.keep_units([unit.key for unit in run.units])
        found = take_over(run.store, [unit.key for unit in run.units], [Path(one) for one in run.session.settings.reuse])
        for folder, count in found.items():
            why = "" if count else f": {why_none(run, folder)}"
            console.print(f"{counted(count, 'unit')} of {len(run.units)} are taken from {folder}{why}", highlight=False, markup=False)
        if run.session.calibrations:
            run.store.keep_calibration({name: one.as_rows() for name, one in run.session.calibrations.items()})


def why_none(run: Run, folder: Path) -> str:
    """Why nothing of another run's is this run's."""
    other = Store(folder)
    if not other.finished():
        return "no unit is finished there"
    return "; ".join(strangers(run_manifest(run), other.manifest())) or "its prompts, or the packages that bring its parts, are others"


def _compact(run: Run, console: Console) -> None:
    with run.watch.section("store"):
        run.store.compact([unit.key for unit in run.units])
        left = 0 if run.session.judge.notes else run.store.unscored(GRADE, ABSENT)
    if left:
        line = (f"{counted(left, 'image')} stay{'s' if left == 1 else ''} without a grade, as weights of the grader were not here then: "
                "`vistas export`, then `vistas score` grades what was selected")  # fmt: skip
        console.print(line, highlight=False)


def _kept_calibrations(store: Store, session: Session) -> dict[str, Calibration]:
    """Speeds that a run in this folder was planned with, so that going on with it plans the same units."""
    if session.settings.unit is not Unit.SECONDS:
        return {}
    kept = store.calibration()
    try:
        return {name: Calibration.from_rows(rows) for name, rows in kept.items() if name in session.models}
    except (ValueError, TypeError) as error:
        raise WrongInput(f"{store.folder} has damaged speeds ({error}): give another folder with --out") from error


def _work(run: Run, units: list[WorkUnit], console: Console, engine: Engine) -> None:
    """Run those of `units` that are missing."""
    with run.watch.section("store"):
        there = {unit.key for unit in units if run.store.part(unit.key) is not None}
    missing = [unit for unit in units if unit.key not in there]
    done = len(units) - len(missing)
    if done:
        others = _by_other_source(run.store, [unit for unit in units if unit.key in there])
        console.print(f"going on: {done} of {counted(len(units), 'unit')} {'is' if done == 1 else 'are'} there{others}", highlight=False)
    planned = sum(unit.planned_flops for unit in missing)
    with RunProgress(console, len(units), done, planned) as progress:

        def work(unit: WorkUnit) -> Any:
            progress.begin(unit.title)
            rows = run.session.max_rows(unit.model)
            run.session.models[unit.model]  # loads it, outside of what is timed as the search's
            finished = execute(run.session, unit, run.store.save_image, run.watch)
            if run.session.max_rows(unit.model) < rows:
                left = run.session.max_rows(unit.model)
                console.print(f"out of memory: {unit.model} goes on with max_rows={left}, results are the same", highlight=False)
            return finished

        for unit, finished in engine(missing, work):
            with run.watch.section("store"):
                run.store.save(unit.key, finished.rows, unit_source(unit.packages))
            progress.finish(unit.title, finished.images, unit.planned_flops)
    if done:
        console.print(f"{counted(len(missing), 'unit')} done now, {done} {'was' if done == 1 else 'were'} there", highlight=False)


def _by_other_source(store: Store, units: list[WorkUnit]) -> str:
    """What a person should know of units that are kept although the source has changed since; "" where it has not."""
    current = {packages: unit_source(packages) for packages in {unit.packages for unit in units}}
    others = sum(current[unit.packages] not in store.sources([unit.key]) for unit in units)
    if not others:
        return ""
    which = "made by another state" if others == len(units) else f"{others} of them by another state"
    return f", {which} of the source than this one: they stay as they are, a new --out makes them anew"


def run_manifest(run: Run) -> dict[str, Any]:
    """The manifest of a prepared run."""
    session = run.session
    settings = session.settings
    suite = {
        **card_values(session.suite.card),
        "display_name": session.suite_name,
        "domain": session.domain,
        "prompts_run": len(session.prompts),
        "prompts_total": len(session.suite.prompts(session.domain)),
    }
    return manifest(
        settings.run().identity(),
        suite,
        {name: card_values(session.models.card(name)) for name in session.models},
        {name: card_values(verifier.card) for name, verifier in session.verifiers.items()},
        {
            name: card_values(verifier.card)
            for name, verifier in session.judge.verifiers.items()
            if name not in session.verifiers
        },
        environment(session.models.device),
        run.notes,
    )


def opening_lines(run: Run) -> list[str]:
    """What a person should know before a run begins: the sample, what is skipped, and where it goes."""
    session = run.session
    total, chosen = len(session.suite.prompts(session.domain)), len(session.prompts)
    seed = session.settings.sample_seed
    sample = f"{chosen} of {total} prompts, an even sample per task (seed {seed}"
    if "prompts" in session.settings.model_fields_set:
        sample += "; --prompts all, make: PROMPTS=all, runs all)"
    elif session.domain == "shapes" and "searches" not in session.settings.model_fields_set:
        sample += ") chosen to keep the command under 10 minutes on 2 cores; --prompts all (make: PROMPTS=all) runs all"
    else:
        sample += ", the default); --prompts all (make: PROMPTS=all) runs all"
    return [
        f"{session.suite_name}: {sample if chosen < total else f'all {total} prompts' if total > 1 else 'its one prompt'}",
        *run.notes,
        f"{counted(len(run.units), 'unit')}, each one search of one model on up to "
        f"{counted(max(len(unit.prompts) for unit in run.units), 'prompt')}, into {run.store.folder}",
    ]


def write_profile(run: Run) -> list[str]:
    """Write where the time went so far to profile.json; returns it as lines."""
    profile = run.watch.profile()
    write_atomic(run.store.folder / "profile.json", (json.dumps(profile, indent=2) + "\n").encode())
    return profile_lines(profile)
