"""A run before it runs: everything it needs, loaded and planned, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.bench.speed_files import SpeedFiles
from harness.compute.amounts import counted
from harness.compute.ledger import Unit
from harness.compute.prices import Calibration
from harness.config import Settings
from harness.errors import WrongInput
from harness.run.pairing import Begun, pair_up
from harness.run.planning import plan_units
from harness.run.session import Session, open_session, unused_weights
from harness.run.suites import embedded, prompt_notes, suite_notes
from harness.run.timing import LOAD, Stopwatch
from harness.run.units import WorkUnit
from harness.run_folder import run_folder
from harness.values import ALL
from harness.weights.absent import AbsentWeights, MissingWeights
from harness.weights.local import LocalWeights
from results.environment import environment
from results.files import MANIFEST, alone
from results.manifest import DamagedManifest, card_values, manifest
from results.reuse import Reuse
from results.run_differences import differences
from results.schema import SCHEMA_VERSION
from results.store import Store
from suites.shapes.unknown_words import unknown_note


@dataclass
class Run:
    """A run that is ready: every name checked, every unit planned, its folder its own."""

    session: Session
    units: list[WorkUnit]
    notes: list[str]
    store: Store
    watch: Stopwatch
    opening: ExitStack | None = None
    """Other shards wait for it to begin: this one has measured the speeds that all plan with, and they are not written yet."""
    shards: int = 0
    """Into how many processes it is divided; 0 where it is not."""

    @cached_property
    def reuse(self) -> Reuse:
        """What other runs have of its units."""
        folders = [Path(one) for one in self.session.settings.reuse]
        return Reuse([unit.key for unit in self.units], folders, not self.session.evaluator.cannot_grade)


def prepare_run(
    settings: Settings, out: Path | None, measured: bool = False, say: Callable[[str], None] = lambda line: None,
    outlines: bool = False, speed_files: SpeedFiles | None = None, shared: bool = False,
) -> Run:
    """Check, load and plan a run; nothing is written yet. `measured` plans seconds whatever the budgets' unit.

    `shared`: of several processes only the first to come measures speeds, and the others wait for it to begin the run.

    `say` hears what takes time before the first unit. `outlines`: what has no weights here is planned from its configuration,
    but for seconds, which have to be measured, here or in `speed_files`; such a run cannot be finished.

    Raises:
        ValueError: anything that cannot be run as asked, in one line.
    """
    watch, store = Stopwatch(), Store(run_folder(settings, out))
    with watch.section(LOAD):
        pairing = pair_up(settings.run(), LocalWeights.parse(settings.weights), _begun(settings, store))
        say(f"loading {', '.join(pairing.models)} and {', '.join(dict.fromkeys((*settings.verifiers, *pairing.metrics)))}")
        timed = (measured or settings.unit is Unit.SECONDS) and speed_files is None
        try:
            session = open_session(settings, pairing, watch, outlines and not timed)
        except AbsentWeights as error:
            if not (outlines and timed):
                raise
            raise MissingWeights(f"{error}; seconds are measured with weights, a plan by --unit flops and without --calibrate needs none "
                                 "(--speeds says hours by figures of bench-model, --tflops roughly)") from error  # fmt: skip
        for name in unused_weights(session, pairing):
            say(f"--weights {name} is not used: {name} is not in this run")
        session.measured, session.speed_files = measured or speed_files is not None, speed_files
    with watch.section("planning"), ExitStack() as held:
        session.calibrations |= _kept_calibrations(store, session)
        if timed and shared and not session.calibrations:
            store.folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(alone(store.folder, lambda: say("waiting for the shard that measures the speeds of all")))
            session.calibrations |= _kept_calibrations(store, session)
        first = timed and not session.calibrations
        if first:
            say("calibrating: every operation of every model and verifier is timed")
        units, refused = plan_units(session, pairing)
        opening = held.pop_all() if first and shared else None
    suite = session.suite
    said = [*suite_notes(suite, session.domain, settings.seeds), *prompt_notes(session.prompts, suite.prompts(session.domain))]
    if embedded(pairing.models):
        said += unknown_note([prompt.text for prompt in session.prompts])
    if session.outlined:
        names = ", ".join(session.outlined)
        said.append(f"planned from configurations, a token for each word of a prompt, as weights are not here: {names}; `vistas fetch "
                    f"{' '.join(session.outlined)}` gets them")  # fmt: skip
    if left_out := [name for name in pairing.metrics if name not in session.evaluator.verifiers]:
        said.append(f"not in this plan, as their files alone say what they are: {', '.join(left_out)}; a run needs them")
    notes = [*said, *pairing.notes, *refused, *session.evaluator.notes]
    return Run(session, units, notes, store, watch, opening)


def _begun(settings: Settings, store: Store) -> Begun | None:
    """The run in this folder, else the first of those to reuse, that was asked for all metrics too; None without any."""
    for folder in (store.folder, *map(Path, settings.reuse)):
        try:
            there = Store(folder).manifest()
        except WrongInput:  # none, or a damaged one: whoever needs it says so
            continue
        if there["schema_version"] == SCHEMA_VERSION and ALL in there["configuration"].get("metrics", ()):
            return Begun(folder, frozenset((*there["verifiers"], *there.get("metrics", ()))), folder != store.folder)
    return None


def _kept_calibrations(store: Store, session: Session) -> dict[str, Calibration]:
    """Speeds that a run in this folder was planned with, so that going on with it plans the same units."""
    if session.settings.unit is not Unit.SECONDS:
        return {}
    kept = store.calibration()
    try:
        return {name: Calibration.from_rows(rows) for name, rows in kept.items() if name in session.models}
    except (ValueError, TypeError) as error:
        raise WrongInput(f"{store.folder} has damaged speeds ({error}): give another folder with --out") from error


def run_manifest(run: Run) -> dict[str, Any]:
    """The manifest of a prepared run."""
    session = run.session
    settings = session.settings
    suite = {
        **card_values(session.suite.card),
        "scores": session.suite.card.scores.get(session.domain, {}),
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
            for name, verifier in session.evaluator.verifiers.items()
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


def check_reuse(run: Run) -> None:
    """Raise WrongInput where a run that has not been begun can take no unit from any folder to reuse, and would compute all anew."""
    reuse = run.reuse
    if not reuse.folders or (run.store.folder / MANIFEST).exists() or any(reuse.whole.values()) or reuse.pictures:
        return
    reasons = "; ".join(f"nothing can be taken from {folder}: {why_none(run, folder)}" for folder in reuse.folders)
    raise WrongInput(f"{reasons}; set these as they are there, or leave out --reuse to compute {counted(len(run.units), 'unit')} anew")


def taken_lines(run: Run) -> Iterator[str]:
    """What is taken from each folder to reuse: whole units, and pictures that are only measured anew."""
    of = len(run.units)
    for folder, keys in run.reuse.whole.items():
        drawn = run.reuse.drawn(folder)
        left = [key for key in drawn if not run.store.part_path(key).exists()]
        if keys or not drawn:
            why = "" if keys else f": {why_none(run, folder)}"
            yield f"{counted(len(keys), 'unit')} of {of} {'is' if len(keys) == 1 else 'are'} taken from {folder}{why}"
        if left:
            yield f"pictures of {counted(len(left), 'unit')} of {of} are taken from {folder}: what is missing of metrics is measured"
        if (keys or drawn) and len(keys) + len(drawn) < of and (others := why_others(run, folder)):
            yield f"others are not there, also as {others}"
        if run.reuse.graded and any(run.reuse.pictures[key].ungraded for key in left):
            yield ("of these, what was selected is graded where its grader is here; candidates that were not have no file and stay "
                   "without a grade, so the report cannot say by them how far to trust a verifier")  # fmt: skip


def why_others(run: Run, folder: Path) -> str:
    """What the manifests say of units that another run lacks, where it has some; "" where they say nothing."""
    try:
        return "; ".join(differences(run_manifest(run), Store(folder).manifest()))
    except DamagedManifest:
        return ""


def why_none(run: Run, folder: Path) -> str:
    """Why nothing of another run's is taken into this one."""
    other = Store(folder)
    if any(one.folder == folder for sources in run.reuse.sources.values() for one in sources):
        return "another folder has them"
    if not other.finished():
        return "no unit is finished there"
    try:
        theirs = other.manifest()
    except DamagedManifest:
        return f"its {MANIFEST} is damaged and does not say what differs"
    return "; ".join(differences(run_manifest(run), theirs)) or "its prompts, or the packages that bring its parts, are others"
