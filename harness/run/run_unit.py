"""One unit, from prompts to rows: search, choose, measure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.compute.drawn import Drawn
from harness.run.searched import Searched
from harness.run.session import Session
from harness.run.table_rows import SaveImage
from harness.run.timing import EVALUATION, SEARCH, Stopwatch
from harness.run.units import WorkUnit
from harness.search.base import Task
from harness.search.prepare import Attempt, prepare
from harness.seeds import Seeds
from results.parts import Rows


@dataclass(frozen=True, slots=True)
class FinishedUnit:
    """What a unit leaves behind."""

    rows: Rows
    images: int
    """Complete images made."""
    ungraded: int
    """Selected images without a grade because weights of the suite's graders are not on this machine."""


def run_unit(session: Session, unit: WorkUnit, save_image: SaveImage, watch: Stopwatch) -> FinishedUnit:
    """Run a unit; images are saved by `save_image` on the way, rows are returned."""
    searched = Searched(session, unit, _search(session, unit, watch))
    with watch.section("tables"):
        choices = list(searched.choices())
    with watch.section(EVALUATION):
        measured, truths = searched.measured(choices), searched.truths()
    with watch.section("images"):
        paths = searched.save_images(choices, save_image)
    with watch.section("tables"):
        rows = {
            "candidates": list(searched.candidate_rows(truths, paths)),
            "selections": list(searched.selection_rows(choices, paths)),
            "scores": list(searched.score_rows(choices, measured)),
        }
    complete = sum(one.complete for pool in searched.made for one in pool)
    ungraded = sum(measured[one.order].ungraded for one in choices if one.order is not None)
    return FinishedUnit(rows, complete, ungraded)


def _search(session: Session, unit: WorkUnit, watch: Stopwatch) -> Task:
    budget = max((given[-1] for given in unit.budgets.values()), key=lambda budget: budget.amount)
    search = session.searches[unit.search]
    judges = [session.verifiers[name] for name in unit.verifiers]

    def prepared(rows: int) -> Task:
        model, calibration = session.models[unit.model], session.calibration(unit.model)
        seeds, drawn = Seeds(unit.seed, unit.suite), session.drawn.setdefault(unit.model, Drawn(unit.model))
        return prepare(search, model, judges, unit.prompts, budget, seeds, rows, calibration, drawn=drawn)

    attempt = Attempt(search, prepared)
    with watch.section(SEARCH):
        task = session.shrinking(unit.model, attempt, attempt.used)
    watch.add_clocks(task)
    return task
