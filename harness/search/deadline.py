"""A budget in seconds is a deadline: no round is begun that is not expected to end before it."""

from __future__ import annotations

from harness.compute.ledger import Cost, Unit
from harness.search.base import Task


class Deadline:
    """Expects of every round what the plan expects, times how much slower than planned the task has been so far."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._active = task.budget.unit is Unit.SECONDS
        self._planned: dict[int, float] = {}
        self._taken: dict[int, float] = {}
        """What the rounds of `_planned` have taken: by now a prompt may have spent more, in rounds that have not been entered."""

    def allows(self, prompt: int, first: int, last: int, then: int | None = None) -> bool:
        """Whether a prompt may begin its rounds from `first` to before `last`; other units are kept by the plan.

        Rounds from `then` on follow even if it may not.
        """
        if not self._active or (first, last) == (0, 1):
            return True
        rounds = len(self._task.plans[prompt].rounds)
        after = self._seconds(prompt, rounds if then is None else then, rounds)
        paid = self._task.plans[prompt].opening.seconds if first == 0 else 0.0
        expected = (self._seconds(prompt, first, last) - paid + after) * self._pace()
        return self._affords(prompt, expected)

    def rest(self, prompt: int, rounds: int, whole: int = 0) -> float:
        """A prompt has ended its first `rounds` rounds: how much of the others still fits, 1 for all of it.

        The last `whole` rounds are left time for as they are.
        """
        if not self._active:
            return 1.0
        self.done(prompt, rounds)
        end = len(self._task.plans[prompt].rounds)
        expected, after = (self._seconds(prompt, *part) * self._pace() for part in ((rounds, end - whole), (end - whole, end)))
        if expected == 0 or self._affords(prompt, expected + after):
            return 1.0
        return max(0.0, (self._task.budget.amount - self._spent(prompt) - after) / expected)

    def done(self, prompt: int, rounds: int) -> None:
        """A prompt has ended its first `rounds` rounds."""
        if self._active:
            self._planned[prompt], self._taken[prompt] = self._seconds(prompt, 0, rounds), self._spent(prompt)

    def _affords(self, prompt: int, expected: float) -> bool:
        return self._task.budget.affords(Cost(seconds=self._spent(prompt) + expected))

    def _seconds(self, prompt: int, first: int, last: int) -> float:
        return sum(cost.seconds for cost in self._task.plans[prompt].rounds[first:last])

    def _spent(self, prompt: int) -> float:
        return min(self._task.spent(prompt, judge).seconds for judge in self._task.judges)

    def _pace(self) -> float:
        planned = sum(self._planned.values())
        return max(1.0, sum(self._taken.values()) / planned) if planned > 0 else 1.0
