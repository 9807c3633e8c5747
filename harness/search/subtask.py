"""A subtask: some prompts of a task, searched once more, on their own and with a budget of their own.

To the strategy within, a subtask is a task like any other. What it makes and spends goes to the task behind it: its
roots are numbered on from all that the prompts have had, those that left no candidate too, so that no seed is used
twice, and costs count on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.compute.ledger import Budget, Cost, Ledger
from harness.compute.meter import MeteredGenerator
from harness.compute.verifier_meter import MeteredVerifier
from harness.search.base import Plan, Search, Task
from harness.seeds import Path
from models.base import Images, Row
from verifiers.base import Scores

if TYPE_CHECKING:
    import torch


@dataclass(slots=True)
class Subtask(Task):
    """Some prompts of a task, as the strategy within sees them."""

    shifts: tuple[int, ...] = ()
    """Roots that each prompt has had before."""
    handed: dict[int, int] = field(default_factory=dict)
    """Roots that each prompt has been handed here: those that a seed was asked for."""

    def seed(self, prompt: int, path: Path, step: int) -> int:
        """As the task behind names the candidate; what belongs to none, the path (), has another seed in every subtask."""
        shift = self.shifts[prompt]
        if not path:
            return self.seeds.at(self.prompts[prompt].id, (-shift,) if shift else (), step)
        self.handed[prompt] = max(self.handed.get(prompt, 0), path[0] + 1)
        return self.seeds.at(self.prompts[prompt].id, shifted(path, shift), step)


def check_wrappable(search: Search) -> None:
    """Raise ValueError for a search that wraps another and so cannot be wrapped itself: a subtask has none of its own."""
    if hasattr(search, "search"):
        raise ValueError(
            f"search={search.name} wraps a search itself, which cannot be wrapped again: give one that does not, such as search=random"
        )


def search_again(task: Task, search: Search, members: Sequence[int], budget: Budget, plans: Sequence[Plan]) -> None:
    """Run a strategy on some prompts of a guided task and enter its candidates there."""
    judge = task.judges[0]
    entered = task.candidates[judge.card.name]
    before = tuple(task.spent(prompt, judge) for prompt in members)
    shifts = tuple(task.roots.get(prompt, 0) for prompt in members)
    generator: Any = _Generator(task.generator, members)
    subtask_judge: Any = _Judge(judge, members)
    subtask = Subtask(
        tuple(task.prompts[prompt] for prompt in members), task.conditioning, generator, (subtask_judge,), task.seeds,
        budget, tuple(plans), task.max_rows, shifts=shifts,
    )  # fmt: skip
    search.run(subtask)
    for place, prompt in enumerate(members):
        task.roots[prompt] = shifts[place] + subtask.handed.get(place, 0)
        for one in subtask.candidates[judge.card.name][place]:
            path, parent = (shifted(each, shifts[place]) for each in (one.path, one.parent))
            entered[prompt].append(replace(
                one, prompt=prompt, path=path, parent=parent, order=len(entered[prompt]),
                spent=before[place] + one.spent,
            ))  # fmt: skip


def shifted(path: Path, roots: int) -> Path:
    """A path whose root is numbered on by `roots`."""
    return (path[0] + roots, *path[1:]) if path else path


class _Since:
    """What the members have been charged in a ledger since the subtask was opened."""

    def __init__(self, ledger: Ledger, members: Sequence[int]) -> None:
        self._ledger, self._members = ledger, members
        self._before = [ledger.spent(prompt) for prompt in members]

    def spent(self, prompt: int) -> Cost:
        return self._ledger.spent(self._members[prompt]) - self._before[prompt]


class _Generator:
    """The task's generator, rows renamed."""

    def __init__(self, generator: MeteredGenerator, members: Sequence[int]) -> None:
        self._generator, self._members = generator, members
        self.ledger = _Since(generator.ledger, members)
        self.card = generator.card
        # The rows of a state name their prompts as the task behind does: what takes a state needs no renaming.
        self.predict, self.draw, self.draw_stochastic = generator.predict, generator.draw, generator.draw_stochastic
        self.predict_all, self.join = generator.predict_all, generator.join
        self.renoise, self.mutate = generator.renoise, generator.mutate
        self.select, self.preview, self.decode = generator.select, generator.preview, generator.decode

    def start(self, conditioning: Any, rows: Sequence[Row]) -> Any:
        return self._generator.start(conditioning, self._renamed(rows))

    def start_from(self, conditioning: Any, rows: Sequence[Row], noise_BX: torch.Tensor) -> Any:
        return self._generator.start_from(conditioning, self._renamed(rows), noise_BX)

    def start_image(self, conditioning: Any, rows: Sequence[Row], images: Images, strength: float) -> Any:
        return self._generator.start_image(conditioning, self._renamed(rows), images, strength)

    def noise(self, rows: Sequence[Row]) -> torch.Tensor:
        return self._generator.noise(self._renamed(rows))

    def _renamed(self, rows: Sequence[Row]) -> list[Row]:
        return [Row(self._members[row.prompt], row.seed) for row in rows]


class _Judge:
    """The task's judge, prompts renamed."""

    def __init__(self, judge: MeteredVerifier, members: Sequence[int]) -> None:
        self._judge, self._members = judge, members
        self.ledger = _Since(judge.ledger, members)
        self.card, self.ranks, self.going, self.combine = judge.card, judge.ranks, judge.going, judge.combine
        self.rewards = judge.rewards

    def open(self, prompts: Iterable[int]) -> None:
        self._judge.open([self._members[prompt] for prompt in prompts])

    def score(self, images: Images, texts: Sequence[str], prompts: Sequence[int]) -> Scores:
        return self._judge.score(images, texts, [self._members[prompt] for prompt in prompts])

    def examine(self, images: Images, texts: Sequence[str], prompts: Sequence[int]) -> Scores:
        return self._judge.examine(images, texts, [self._members[prompt] for prompt in prompts])

    def patches(self, images: Images, prompts: Sequence[int]) -> torch.Tensor:
        return self._judge.patches(images, [self._members[prompt] for prompt in prompts])
