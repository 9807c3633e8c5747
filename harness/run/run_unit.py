"""One unit, from prompts to rows: search, choose, measure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from harness.compute.ledger import Budget
from harness.run.evaluator import Measured, Metrics, as_metrics
from harness.run.session import Session
from harness.run.table_rows import (
    SaveImage,
    Selected,
    candidate_rows,
    overrun,
    score_rows,
    select,
    selection_row,
    tabled,
)
from harness.run.timing import EVALUATION, SEARCH, Stopwatch
from harness.run.units import WorkUnit
from harness.search.base import Candidate, Task
from harness.search.prepare import Attempt, prepare
from harness.seeds import Seeds
from models.base import text_truncated
from results.parts import Rows
from verifiers.base import UNASKED

Order = tuple[int, int]
"""A scored image of a unit: prompt index and order of scoring; the same for every judge of a pool."""


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
    task = _search(session, unit, watch)
    with watch.section("tables"):
        selected = list(_select(session, unit, task))
    with watch.section(EVALUATION):
        measured = _measure(session, task, selected)
        truths = _truths(session, unit, task)
        cut = session.evaluator.cut(unit.prompts)
    with watch.section("images"):
        paths = _save_images(unit, task, selected, save_image)
    truncated = text_truncated(task.conditioning)
    with watch.section("tables"):
        rows = {
            "candidates": [row for rows in _candidates(session, unit, task, truths, paths) for row in rows],
            "selections": [
                selection_row(_columns(session, unit, verifier), one, truncated[prompt], _image_of(one, prompt, paths))
                for verifier, prompt, one in selected
            ],
            "scores": [
                row
                for verifier, prompt, one in selected
                for row in score_rows(
                    _columns(session, unit, verifier), one.prompt, one.budget,
                    _metrics_of(session, one, prompt, measured), cut[prompt],
                )
            ] + list(_faulty(session, unit)),
        }
    complete = sum(one.complete for pool in _made(unit, task) for one in pool)
    ungraded = sum(measured[prompt, one.candidate.order].ungraded for _, prompt, one in selected if one.candidate is not None)
    return FinishedUnit(rows, complete, ungraded)


def _search(session: Session, unit: WorkUnit, watch: Stopwatch) -> Task:
    budget = max((given[-1] for given in unit.budgets.values()), key=lambda budget: budget.amount)
    search = session.searches[unit.search]
    judges = [session.verifiers[name] for name in unit.verifiers]

    def prepared(rows: int) -> Task:
        model, calibration = session.models[unit.model], session.calibration(unit.model)
        return prepare(search, model, judges, unit.prompts, budget, Seeds(unit.seed, unit.suite), rows, calibration)

    attempt = Attempt(search, prepared)
    with watch.section(SEARCH):
        task = session.shrinking(unit.model, attempt, attempt.used)
    watch.add_clocks(task)
    return task


def _made(unit: WorkUnit, task: Task) -> list[list[Candidate]]:
    """The scored images of every prompt: all verifiers of a pool have looked at the same."""
    return task.candidates[next(iter(unit.verifiers))]


def _select(session: Session, unit: WorkUnit, task: Task) -> Iterator[tuple[str, int, Selected]]:
    """(verifier, prompt index, selection) in table order."""
    judges = dict(zip(unit.verifiers, task.judges, strict=True))
    shared = sum(map(len, unit.budgets.values())) > 1
    for verifier in unit.verifiers:
        for index, (prompt, tokens) in enumerate(zip(unit.prompts, task.conditioning.text_tokens, strict=True)):
            for budget in unit.budgets[verifier]:
                plan = session.plan(unit.model, unit.search, verifier, budget, tokens)
                pool = task.candidates[verifier][index]
                limit = task.limits.get(index, budget)
                chosen = select(pool, session.verifiers[verifier], prompt, budget, plan, limit)
                late = overrun(task.spent(index, judges[verifier]), limit, shared)
                yield verifier, index, replace(chosen, overrun=late)


def _measure(session: Session, task: Task, selected: list[tuple[str, int, Selected]]) -> dict[Order, Measured]:
    """What is measured of every distinct selected image."""
    chosen = {(prompt, one.candidate.order): one for _, prompt, one in selected if one.candidate is not None}
    if not chosen:
        return {}
    images = torch.stack([one.candidate.image for one in chosen.values() if one.candidate is not None])
    known = [_known(session, task, order) for order in chosen]
    measured = session.evaluator.measure(images, [one.prompt for one in chosen.values()], known)
    return dict(zip(chosen, measured, strict=True))


def _metrics_of(session: Session, one: Selected, prompt: int, measured: dict[Order, Measured]) -> Metrics:
    """What was measured of a selection; without an image every metric is NaN and says why."""
    if one.candidate is None:
        return dict.fromkeys(session.evaluator.metrics, (float("nan"), one.reason))
    return measured[prompt, one.candidate.order].metrics


def _faulty(session: Session, unit: WorkUnit) -> Iterator[dict[str, Any]]:
    """Rows of `scores` of prompts that could not be run: every metric is NaN and says why."""
    for verifier, budgets in unit.budgets.items():
        columns = _columns(session, unit, verifier)
        for prompt, reason in unit.faulty:
            values = dict.fromkeys(session.evaluator.metrics, (float("nan"), reason))
            for budget in budgets:
                yield from score_rows(columns, prompt, budget, values)


def _known(session: Session, task: Task, order: Order) -> Metrics:
    """Values that the search's own verifiers have given an image; a cascade's expensive part may not have been asked."""
    known: Metrics = {}
    for verifier, pools in task.candidates.items():
        candidate = pools[order[0]][order[1]]
        found = as_metrics(session.verifiers[verifier].card.parts, candidate.values_M, candidate.reason)
        known |= {part: metric for part, metric in found.items() if metric[0] != UNASKED}
    return known


def _truths(session: Session, unit: WorkUnit, task: Task) -> dict[Order, float]:
    """The suite's verdict on every image of a pool; guided candidates are no sample of the model and are not graded."""
    if session.evaluator.cannot_grade or not session.searches[unit.search].pools:
        return {}
    pool = [(n, one) for n, candidates in enumerate(_made(unit, task)) for one in candidates if one.complete]
    if not pool:
        return {}
    images = torch.stack([one.image for _, one in pool])
    grades = session.evaluator.grades(images, [unit.prompts[n] for n, _ in pool])
    return {(n, one.order): grade.value for (n, one), grade in zip(pool, grades, strict=True)}


def _save_images(
    unit: WorkUnit, task: Task, selected: list[tuple[str, int, Selected]], save_image: SaveImage
) -> dict[Order, str]:
    wanted: dict[Order, Candidate] = {
        (prompt, one.candidate.order): one.candidate for _, prompt, one in selected if one.candidate is not None
    }
    for prompt, candidates in enumerate(_made(unit, task)):
        if unit.prompts[prompt].id in unit.keep:
            wanted |= {(prompt, one.order): one for one in candidates}
    return {order: save_image(candidate.image) for order, candidate in wanted.items()}


def _candidates(
    session: Session, unit: WorkUnit, task: Task, truths: dict[Order, float], paths: dict[Order, str]
) -> Iterator[list[dict[str, Any]]]:
    """Rows by verifier, prompt and order."""
    for verifier in unit.verifiers:
        budget: Budget = unit.budgets[verifier][-1]
        for n, (prompt, pool) in enumerate(zip(unit.prompts, task.candidates[verifier], strict=True)):
            candidates, scores = tabled(pool, session.verifiers[verifier], task.limits.get(n, budget))
            yield candidate_rows(
                _columns(session, unit, verifier),
                prompt,
                budget,
                candidates,
                scores,
                [truths.get((n, one.order), float("nan")) for one in candidates],
                [paths.get((n, one.order), "") for one in candidates],
            )


def _columns(session: Session, unit: WorkUnit, verifier: str) -> dict[str, Any]:
    return {
        "unit": unit.key,
        "suite": unit.suite,
        "model": unit.model,
        "family": session.models.card(unit.model).family,
        "search": unit.search,
        "verifier": verifier,
        "seed": unit.seed,
    }


def _image_of(one: Selected, prompt: int, paths: dict[Order, str]) -> str:
    return "" if one.candidate is None else paths[prompt, one.candidate.order]
