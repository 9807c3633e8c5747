"""Rounds: images are scored batch by batch, and recorded as candidates when the round is over.

Within a round all candidates of a prompt cost the same, and are recorded as if made one after another. So what is
recorded as spent does not depend on the batches: for the first i + 1 candidates of a pool it is what a run with i + 1
candidates would have spent. A cascade's second stage scores the best of each prompt when all candidates of the round
are there, so with a cascade every candidate of the round has spent what had been spent at its end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.batches import batches
from harness.compute.ledger import COLUMNS, Cost
from harness.compute.verifier_meter import MeteredVerifier
from harness.search.base import Candidate, Task, choose
from harness.seeds import Path
from models.base import Images

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Branch:
    """A row of a search: its prompt, its parent, and the path from which its seeds are made."""

    prompt: int
    path: Path
    parent: Path = ()
    step: int = 0
    """Draws done when the branch was made."""


@dataclass(frozen=True, slots=True)
class _Scored:
    branch: Branch
    image: torch.Tensor
    values: tuple[tuple[float, ...], ...]
    """One tuple of parts per judge."""
    reasons: tuple[str, ...]


class Round:
    """Candidates that are compared with one another, for each of some prompts."""

    def __init__(self, task: Task, prompts: Iterable[int], complete: bool = True) -> None:
        self._task, self._complete = task, complete
        self._scored: dict[int, list[_Scored]] = {prompt: [] for prompt in prompts}
        self._settled = False
        for judge in task.judges:
            judge.open(self._scored)
        self._before = {
            prompt: (task.generator.ledger.spent(prompt), [judge.ledger.spent(prompt) for judge in task.judges])
            for prompt in self._scored
        }

    def score(self, branches: Sequence[Branch], images: Images) -> None:
        """Score image n, which belongs to branch n, once with every judge."""
        owners = [branch.prompt for branch in branches]
        texts = [self._task.prompts[owner].text for owner in owners]
        scores = [judge.score(images, texts, owners) for judge in self._task.judges]
        rows = [score.values_NM.tolist() for score in scores]
        for n, branch in enumerate(branches):
            values = tuple(tuple(row[n]) for row in rows)
            reasons = tuple(score.reasons[n] for score in scores)
            self._scored[branch.prompt].append(_Scored(branch, images[n], values, reasons))

    def values(self, prompt: int) -> np.ndarray:
        """Raw scores of a prompt's candidates under the first judge, float64 [N, M]; call it when all have been scored."""
        self._settle()
        return self._values(prompt, 0)

    def rewards(self, prompt: int) -> np.ndarray:
        """Scores to decide by, float64 [N]: NaN for unscored candidates and for those that only a cascade's cheap stage judged."""
        return self._task.judges[0].rewards(self.values(prompt))

    def _values(self, prompt: int, judge: int) -> np.ndarray:
        return np.array([scored.values[judge] for scored in self._scored[prompt]], dtype=np.float64)

    def branches(self, prompt: int) -> list[Branch]:
        """A prompt's candidates in order."""
        return [scored.branch for scored in self._scored[prompt]]

    def _settle(self) -> None:
        """Score the best of each prompt by the second stage of a cascade; done only once."""
        if self._settled:
            return
        self._settled = True
        for index, judge in enumerate(self._task.judges):
            chosen = [
                (prompt, n) for prompt, scored in self._scored.items()
                for n in (best_first(judge, self._values(prompt, index)) if scored else [])[: judge.going(len(scored))]
            ]  # fmt: skip
            for batch in batches(chosen, self._task.max_rows):
                self._examine(index, judge, batch)

    def _examine(self, index: int, judge: MeteredVerifier, chosen: Sequence[tuple[int, int]]) -> None:
        import torch

        images = torch.stack([self._scored[prompt][n].image for prompt, n in chosen])
        owners = [prompt for prompt, _ in chosen]
        scores = judge.examine(images, [self._task.prompts[owner].text for owner in owners], owners)
        rows = scores.values_NM.tolist()
        for (prompt, n), row, reason in zip(chosen, rows, scores.reasons, strict=True):
            one = self._scored[prompt][n]
            values, reasons = list(one.values), list(one.reasons)
            values[index] = (*values[index][: -len(row)], *row)
            reasons[index] = reason or reasons[index]
            self._scored[prompt][n] = replace(one, values=tuple(values), reasons=tuple(reasons))

    def close(self, kept: Collection[tuple[int, Path]] = ()) -> None:
        """Record all candidates; `kept` names those with which the search goes on, by prompt and path."""
        self._settle()
        for prompt, scored in self._scored.items():
            if scored:
                for index, judge in enumerate(self._task.judges):
                    self._enter(prompt, index, judge, kept)

    def _enter(self, prompt: int, index: int, judge: MeteredVerifier, kept: Collection[tuple[int, Path]]) -> None:
        scored = self._scored[prompt]
        generation, verifications = self._before[prompt]
        before = generation + verifications[index]
        gone = self._task.spent(prompt, judge) - before
        entered = self._task.candidates[judge.card.name][prompt]
        at_once = judge.going(len(scored)) > 0
        for n, one in enumerate(scored):
            branch, share = one.branch, gone if at_once else _part(gone, n + 1, len(scored))
            entered.append(Candidate(
                prompt, branch.path, branch.parent, branch.step, self._complete, len(entered), one.values[index],
                one.reasons[index], before + share, (prompt, branch.path) in kept, one.image,
            ))  # fmt: skip


def _part(cost: Cost, first: int, count: int) -> Cost:
    """The part of `cost` that the first `first` of `count` equal candidates have; integer columns stay integers."""
    if first == count:
        return cost
    values = (getattr(cost, name) for name in COLUMNS)
    return Cost(*(value * first // count if isinstance(value, int) else value * first / count for value in values))


def best_first(judge: MeteredVerifier, values_NM: np.ndarray) -> list[int]:
    """Indices of one pool, best first; of equal ones the earlier first, unscored ones last."""
    combined = judge.combine(values_NM)
    return np.argsort(np.where(np.isnan(combined), np.inf, -combined), kind="stable").tolist()


def best_scored(judge: MeteredVerifier, values_NM: np.ndarray) -> list[int]:
    """Indices of those of one pool that a search may go on from, best first: the scored ones, or all where none is."""
    order = best_first(judge, values_NM)
    return order[: int((~np.isnan(judge.combine(values_NM))).sum()) or None]


def mark_kept(task: Task, branch: Branch) -> None:
    """Mark a recorded candidate as one with which the search goes on."""
    for judge in task.judges:
        entered = task.candidates[judge.card.name][branch.prompt]
        order = next(one.order for one in entered if one.path == branch.path)
        entered[order] = replace(entered[order], kept=True)


def mark_final(task: Task) -> None:
    """Mark as kept what the search returns for each prompt within the whole budget."""
    for judge in task.judges:
        for prompt, entered in enumerate(task.candidates[judge.card.name]):
            affordable = [one for one in entered if one.complete and task.limit(prompt).affords(one.spent)]
            if affordable:
                values_NM = np.array([candidate.values_M for candidate in affordable], dtype=np.float64)
                best = choose(affordable, judge.combine(values_NM).tolist())
                if best is not None:
                    entered[affordable[best].order] = replace(affordable[best], kept=True)
