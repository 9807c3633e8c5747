"""A unit that has been searched: what is chosen of it, what is measured of that, and the rows of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch

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
    total,
)
from harness.run.units import WorkUnit
from harness.search.base import Candidate, Task
from models.base import text_truncated
from models.blank import are_blank
from verifiers.base import UNASKED

Order: TypeAlias = tuple[int, int]
"""A scored image of a unit: prompt index and order of scoring; the same for every judge of a pool."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one verifier has selected for one prompt under one budget."""

    verifier: str
    prompt: int
    """Its index in the unit."""
    selected: Selected

    @property
    def order(self) -> Order | None:
        """The image selected, None where there is none."""
        return None if self.selected.candidate is None else (self.prompt, self.selected.candidate.order)


@dataclass(frozen=True, slots=True)
class Searched:
    """A unit with the finished task of its search."""

    session: Session
    unit: WorkUnit
    task: Task

    @property
    def made(self) -> list[list[Candidate]]:
        """The scored images of every prompt: all verifiers of a pool have looked at the same."""
        return self.task.candidates[next(iter(self.unit.verifiers))]

    def choices(self) -> Iterator[Choice]:
        """What is selected for every verifier, prompt and budget, in table order."""
        unit, task = self.unit, self.task
        judges = dict(zip(unit.verifiers, task.judges, strict=True))
        shared = sum(map(len, unit.budgets.values())) > 1
        for verifier in unit.verifiers:
            for index, (prompt, tokens) in enumerate(zip(unit.prompts, task.conditioning.text_tokens, strict=True)):
                for budget in unit.budgets[verifier]:
                    plan = self.session.plan(unit.model, unit.search, verifier, budget, tokens)
                    pool, limit = task.candidates[verifier][index], task.limits.get(index, budget)
                    chosen = select(pool, self.session.verifiers[verifier], prompt, budget, plan, limit)
                    run = task.spent(index, judges[verifier])
                    whole = total(chosen.spent, run, limit, shared)
                    yield Choice(verifier, index, replace(chosen, overrun=overrun(run, limit, shared), total=whole))

    def measured(self, choices: Sequence[Choice]) -> dict[Order, Measured]:
        """What is measured of every distinct selected image."""
        chosen = list(dict.fromkeys(one.order for one in choices if one.order is not None))
        if not chosen:
            return {}
        images = torch.stack([self.made[prompt][order].image for prompt, order in chosen])
        prompts = [self.unit.prompts[prompt] for prompt, _ in chosen]
        measured = self.session.evaluator.measure(images, prompts, [self._known(order) for order in chosen])
        return dict(zip(chosen, measured, strict=True))

    def _known(self, order: Order) -> Metrics:
        """Values that the search's own verifiers have given an image; a cascade's expensive part may not have been asked."""
        known: Metrics = {}
        for verifier, pools in self.task.candidates.items():
            candidate = pools[order[0]][order[1]]
            found = as_metrics(self.session.verifiers[verifier].card.parts, candidate.values_M, candidate.reason)
            known |= {part: metric for part, metric in found.items() if metric[0] != UNASKED}
        return known

    def truths(self) -> dict[Order, float]:
        """The suite's verdict on every image of a pool; guided candidates are no sample of the model and are not graded."""
        if self.session.evaluator.cannot_grade or not self.session.searches[self.unit.search].pools:
            return {}
        pool = [(n, one) for n, candidates in enumerate(self.made) for one in candidates if one.complete]
        if not pool:
            return {}
        images = torch.stack([one.image for _, one in pool])
        grades = self.session.evaluator.grades(images, [self.unit.prompts[n] for n, _ in pool])
        return {(n, one.order): grade.value for (n, one), grade in zip(pool, grades, strict=True)}

    def save_images(self, choices: Sequence[Choice], save_image: SaveImage) -> dict[Order, str]:
        """Save what was selected and, of the prompts that are kept, every picture; the path of each."""
        wanted = dict.fromkeys(one.order for one in choices if one.order is not None)
        for prompt, candidates in enumerate(self.made):
            if self.unit.prompts[prompt].id in self.unit.keep:
                wanted |= dict.fromkeys((prompt, one.order) for one in candidates if not any(are_blank(one.image[None])))
        return {(prompt, order): save_image(self.made[prompt][order].image) for prompt, order in wanted}

    def candidate_rows(self, truths: Mapping[Order, float], paths: Mapping[Order, str]) -> Iterator[dict[str, Any]]:
        """Rows of `candidates` by verifier, prompt and order."""
        for verifier, columns in self._columns().items():
            budget = self.unit.budgets[verifier][-1]
            for n, (prompt, pool) in enumerate(zip(self.unit.prompts, self.task.candidates[verifier], strict=True)):
                candidates, scores = tabled(pool, self.session.verifiers[verifier], self.task.limits.get(n, budget))
                true = [truths.get((n, one.order), float("nan")) for one in candidates]
                images = [paths.get((n, one.order), "") for one in candidates]
                yield from candidate_rows(columns, prompt, budget, candidates, scores, true, images)

    def selection_rows(self, choices: Sequence[Choice], paths: Mapping[Order, str]) -> Iterator[dict[str, Any]]:
        """Rows of `selections`."""
        columns, truncated = self._columns(), text_truncated(self.task.conditioning)
        for one in choices:
            image = "" if one.order is None else paths[one.order]
            yield selection_row(columns[one.verifier], one.selected, truncated[one.prompt], image)

    def score_rows(self, choices: Sequence[Choice], measured: Mapping[Order, Measured]) -> Iterator[dict[str, Any]]:
        """Rows of `scores`; without an image, and for prompts that could not be run, every metric is NaN and says why."""
        columns, cut = self._columns(), self.session.evaluator.cut(self.unit.prompts)
        for one in choices:
            chosen = one.selected
            metrics = self._unscored(chosen.reason) if one.order is None else measured[one.order].metrics
            yield from score_rows(columns[one.verifier], chosen.prompt, chosen.budget, metrics, cut[one.prompt])
        for verifier, budgets in self.unit.budgets.items():
            for prompt, reason in self.unit.faulty:
                for budget in budgets:
                    yield from score_rows(columns[verifier], prompt, budget, self._unscored(reason))

    def _unscored(self, reason: str) -> Metrics:
        return dict.fromkeys(self.session.evaluator.metrics, (float("nan"), reason))

    def _columns(self) -> dict[str, dict[str, Any]]:
        """What every row of a verifier begins with."""
        unit, family = self.unit, self.session.models.card(self.unit.model).family
        said = {"unit": unit.key, "suite": unit.suite, "model": unit.model, "family": family, "search": unit.search}
        return {verifier: {**said, "verifier": verifier, "seed": unit.seed} for verifier in unit.verifiers}
