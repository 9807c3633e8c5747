"""The frontier of a search: its live rows, of many prompts, all at one step, in as many states as their batches were."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.batches import batches
from harness.search.base import Task
from harness.search.rollouts import Roots, draw
from harness.search.rounds import Branch, Round
from harness.seeds import Path

Name: TypeAlias = tuple[int, Path]
"""A branch: its prompt and path."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the frontier: one state, and the branch of each of its rows."""

    state: Any
    branches: tuple[Branch, ...]

    def take(self, task: Task, rows: Sequence[int]) -> Part:
        """Rows by index, with repetition."""
        return Part(task.generator.select(self.state, rows), tuple(self.branches[row] for row in rows))

    def predicted(self, task: Task) -> Part:
        """The same rows with their next prediction."""
        return Part(task.generator.predict(self.state), self.branches)


Frontier: TypeAlias = list[Part]
Children: TypeAlias = Mapping[Name, Sequence[Branch]]
"""A branch to those who take the next step in its place; who is not named has none."""


def name_of(branch: Branch) -> Name:
    """The name of a branch."""
    return (branch.prompt, branch.path)


def groups(task: Task, rows: Callable[[int], int], prompts: Sequence[int] | None = None) -> Iterator[list[int]]:
    """Prompts, by default all, whose rows fill one batch; at least one prompt, whose rows may then need several batches."""
    group: list[int] = []
    filled = 0
    for prompt in range(len(task.prompts)) if prompts is None else prompts:
        if group and filled + rows(prompt) > task.max_rows:
            yield group
            group, filled = [], 0
        group.append(prompt)
        filled += rows(prompt)
    if group:
        yield group


def roots(task: Task, counts: Mapping[int, int], step: int = 0) -> Frontier:
    """Independent candidates (0,), (1,) … of each prompt before their first draw; `step` is what their rows will say."""
    starts = Roots(task, list(counts))
    branches = [Branch(prompt, (index,), step=step) for prompt, count in counts.items() for index in range(count)]
    return [Part(starts.rows(batch), tuple(batch)) for batch in batches(branches, task.max_rows)]


def grow(task: Task, frontier: Frontier, children: Children, level: float | None = None) -> Iterator[Part]:
    """Every branch's children, one draw further; a parent is predicted once, and only when it has children."""
    for part in frontier:
        pairs = [
            (row, child) for row, parent in enumerate(part.branches) for child in children.get(name_of(parent), ())
        ]
        if not pairs:
            continue
        parents = list(dict.fromkeys(row for row, _ in pairs))
        state = part.state if len(parents) == len(part.branches) else task.generator.select(part.state, parents)
        state = task.generator.predict(state)
        place = {row: index for index, row in enumerate(parents)}
        for batch in batches(pairs, task.max_rows):
            rows, branches = [place[row] for row, _ in batch], [child for _, child in batch]
            chosen = state if rows == list(range(len(parents))) else task.generator.select(state, rows)
            yield Part(draw(task, chosen, branches, level), tuple(branches))


def itself(frontier: Frontier) -> dict[Name, list[Branch]]:
    """Every branch as its own only child."""
    return {name_of(branch): [branch] for part in frontier for branch in part.branches}


def thinned(frontier: Frontier, parts: Mapping[int, float], ranks: Mapping[Name, int] | None = None) -> dict[Name, list[Branch]]:
    """Every branch as its own only child; where only a part of a prompt's rows can go on, the first of them, at least one.

    `ranks` says which those are, of rows in no order of worth.
    """
    children: dict[Name, list[Branch]] = {}
    for prompt, part in parts.items():
        rows = [branch for one in frontier for branch in one.branches if branch.prompt == prompt]
        if ranks:
            rows.sort(key=lambda branch: ranks.get(name_of(branch), 0))
        going = rows if part >= 1 else rows[: max(1, int(len(rows) * part))]
        children |= {name_of(branch): [branch] for branch in going}
    return children


def advance(task: Task, frontier: Frontier, until: int, level: float | None = None) -> Frontier:
    """Every branch on its own to `until` draws."""
    while frontier and frontier[0].state.step < until:
        frontier = list(grow(task, frontier, itself(frontier), level))
    return frontier


def preview(task: Task, frontier: Frontier, this: Round) -> Frontier:
    """Score every branch on its preview; returns the rows with the predictions that the previews have needed."""
    seen = []
    for part in frontier:
        state, images = task.generator.preview(part.state)
        this.score(part.branches, images)
        seen.append(Part(state, part.branches))
    return seen


def finish(task: Task, frontier: Frontier) -> None:
    """Score finished rows and enter them."""
    if frontier:
        this = Round(task, dict.fromkeys(branch.prompt for part in frontier for branch in part.branches))
        for part in frontier:
            this.score(part.branches, task.generator.decode(part.state))
        this.close()


def gather(
    task: Task,
    frontier: Frontier,
    wanted: Sequence[tuple[Name, Branch]],
    change: Callable[[Any, Sequence[Branch]], Any] | None = None,
) -> Frontier:
    """New branches from rows of any part, each with the name of its parent, in order, put into few batches and changed there.

    For generators that are `Mutable`: the rows of prompts that have gone different ways are joined again.
    """
    places = {name_of(branch): (index, row) for index, part in enumerate(frontier) for row, branch in enumerate(part.branches)}
    made: Frontier = []
    for batch in batches(wanted, task.max_rows):
        rows: dict[int, list[int]] = {}
        for wish, (name, _) in enumerate(batch):
            rows.setdefault(places[name][0], []).append(wish)
        states = [
            task.generator.select(frontier[index].state, [places[batch[wish][0]][1] for wish in wishes])
            for index, wishes in rows.items()
        ]  # fmt: skip
        state = task.generator.join(states) if len(states) > 1 else states[0]
        joined = [wish for wishes in rows.values() for wish in wishes]
        if joined != sorted(joined):  # ties go to the earlier: the order must not depend on the batches
            state = task.generator.select(state, [joined.index(wish) for wish in range(len(batch))])
        branches = tuple(branch for _, branch in batch)
        made.append(Part(change(state, branches) if change else state, branches))
    return made


def keep(task: Task, frontier: Frontier, kept: Collection[Name]) -> Frontier:
    """The branches that are carried on, in the order of their rows."""
    return _filter(task, frontier, lambda branch: (branch.prompt, branch.path) in kept)


def of_prompts(task: Task, frontier: Frontier, prompts: Collection[int]) -> Frontier:
    """The rows of some prompts."""
    return _filter(task, frontier, lambda branch: branch.prompt in prompts)


def _filter(task: Task, frontier: Frontier, wanted: Callable[[Branch], bool]) -> Frontier:
    found = []
    for part in frontier:
        rows = [row for row, branch in enumerate(part.branches) if wanted(branch)]
        if rows:
            found.append(part if len(rows) == len(part.branches) else part.take(task, rows))
    return found
