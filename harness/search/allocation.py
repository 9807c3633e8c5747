"""Who is searched again, and where: prompts by how much they need it, scales by how much they tell, all by scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import ceil

import numpy as np

from harness.search.base import Candidate, Task
from harness.seeds import Path
from verifiers.base import asked


def most_telling(task: Task, count: int) -> tuple[int, ...]:
    """The scales, as many as `count`, at which the children of one parent have differed most in score, in order.

    Mean over parents of the spread among their finished children, of a cascade those its expensive stage was asked about; an
    ensemble's ranks are taken within one family.
    """
    judge = task.judges[0]
    families: dict[tuple[int, Path], list[Candidate]] = defaultdict(list)
    for prompt, entered in enumerate(task.candidates[judge.card.name]):
        for one in entered:
            if one.complete:
                families[prompt, one.parent].append(one)
    spreads: dict[int, list[float]] = defaultdict(list)
    for children in families.values():
        values_NM = np.array([one.values_M for one in children], dtype=np.float64)
        scores = judge.combine(values_NM[asked(values_NM)])
        spread = float(np.std(scores)) if len(scores) > 1 else np.nan
        if not np.isnan(spread):
            spreads[children[0].step - 1].append(spread)
    ranked = sorted(spreads, key=lambda scale: (-np.mean(spreads[scale]), scale))
    return tuple(sorted(ranked[:count])) or (0,)


class Standing:
    """Each prompt's best score so far, and whether it is good enough or has stopped rising.

    A prompt with finished images none of which could be scored rests while there are others: nothing can be learnt there.
    An ensemble's ranks do not compare between prompts: then only those that have stopped rising rest.
    """

    def __init__(self, task: Task, served: float, patience: int | None, enough: float | None) -> None:
        self._task, self._judge = task, task.judges[0]
        self._comparable = not self._judge.ranks
        self._served, self._patience, self._enough = served, patience, enough
        prompts = range(len(task.prompts))
        self._best = dict.fromkeys(prompts, -np.inf)
        self._still = dict.fromkeys(prompts, 0)
        """Rounds since a prompt's last better image."""
        self._seen = dict.fromkeys(prompts, 0)
        """Finished candidates that have been looked at."""
        self._begun = False

    def note(self, members: Sequence[int]) -> None:
        """Take in the scores of a round."""
        self._begun = True
        for prompt in members:
            best, newest = self._look(prompt)
            self._still[prompt] = 0 if newest else self._still[prompt] + 1
            self._best[prompt] = best

    def neediest(self) -> list[int]:
        """Prompts to be searched next, the neediest first: all at the beginning, none when all are good enough."""
        if not self._begun:
            return list(self._best)
        wanting = [prompt for prompt, best in self._best.items() if self._enough is None or not best >= self._enough]
        telling = [prompt for prompt in wanting if self._best[prompt] > -np.inf or not self._seen[prompt]] or wanting
        rising = [prompt for prompt in telling if self._patience is None or self._still[prompt] < self._patience]
        ranked = sorted(rising or telling, key=self._need)
        return ranked[: ceil(self._served * len(self._best))] if self._comparable else ranked

    def _need(self, prompt: int) -> tuple[float, int, int]:
        """Among equals who has had fewer images comes first, then by lot: where a prompt stands in the suite has no say."""
        return self._best[prompt] if self._comparable else 0.0, self._seen[prompt], self._task.seed(prompt, (), -1)

    def _look(self, prompt: int) -> tuple[float, bool]:
        """The score of the best finished image, and whether it is one of those that are new."""
        entered = [one for one in self._task.candidates[self._judge.card.name][prompt] if one.complete]
        known, self._seen[prompt] = self._seen[prompt], len(entered)
        values_NM = np.array([one.values_M for one in entered], dtype=np.float64)
        scores = np.where(asked(values_NM), self._judge.combine(values_NM), np.nan) if entered else ()
        if not len(scores) or np.isnan(scores).all():
            return -np.inf, False
        return float(np.nanmax(scores)), bool(np.nanargmax(scores) >= known)
