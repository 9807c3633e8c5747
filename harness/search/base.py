"""What a search is: a plan that fits a budget, and a run that records every candidate it has scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from harness.compute.ledger import Budget, Cost, added
from harness.compute.meter import MeteredGenerator
from harness.compute.prices import Prices
from harness.compute.verifier_meter import MeteredVerifier
from harness.errors import WrongInput
from harness.seeds import Path, Seeds
from models.base import Family
from suites.base import Prompt

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Plan:
    """The parameters a search has chosen for a budget, and what they cost for one prompt."""

    parameters: Mapping[str, Any]
    """Such as {"width": 2, "candidates": 4}; written into the tables."""
    rounds: tuple[Cost, ...]
    """Price of each round; the first also has everything that is paid once. Seconds are estimates."""
    exact: bool = True
    """Whether a run spends exactly this (except seconds). If not, scores on the way decide how much less is spent, or, if
    prompts share a total, which prompts get more."""
    looks: int = 0
    """Number of previews looked at; a budget in images pays for them as images."""
    passes: tuple[int, ...] = ()
    """If scores decide how many passes are shared: the rows through the transformer at each step that `cost` counts, the maximum."""
    opening: Cost = field(default_factory=Cost)
    """The part of the first round's price that is paid before the deadline is checked for that round; zero if it is not checked."""
    placed: bool = True
    """Whether it is also known at which steps this is done. If not, scores decide that on the way."""

    @cached_property
    def cost(self) -> Cost:
        """Price of the whole search."""
        return added(self.rounds)

    @property
    def limited(self) -> Cost:
        """The price that the budget must afford: previews count as images here, otherwise a budget in images would not limit them."""
        return self.cost + Cost(images=self.looks)

    def unused(self, budget: Budget) -> float:
        """What the plan leaves of a budget, in its unit; usually less than the next larger size of the search would add."""
        return budget.amount - self.limited.amount(budget.unit)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One scored image: a finished picture, or a preview of an unfinished one."""

    prompt: int
    """Index into the task's prompts."""
    path: Path
    parent: Path
    """The path it branched from; () for a root."""
    step: int
    """Draws done when the branch was made: 0 for an independent image, k for a child drawn at scale or step k - 1."""
    complete: bool
    """Whether the scored image is finished (a rollout counts as finished) or a preview."""
    order: int
    """0, 1, 2 … in the order of scoring within its prompt."""
    values_M: tuple[float, ...]
    """Raw scores under the verifier's parts; NaN where unscored."""
    reason: str
    """Why a part of `values_M` is NaN, "" if none is; for a cascade the expensive stage's reason, or if it has none the cheap one's."""
    spent: Cost
    """All that the prompt had spent when this score was known; candidates of one round count as if made one after another."""
    kept: bool
    """Whether the search carried this branch on: beam survivor, new pivot, final choice."""
    image: torch.Tensor = field(repr=False, compare=False)
    """uint8 [3, H, W]."""


@dataclass(frozen=True, slots=True)
class Refiner:
    """The second model of a pair; it is charged to the same ledger as the first."""

    generator: MeteredGenerator
    conditioning: Any


@dataclass(slots=True)
class Task:
    """Everything a search may use: prompts with their plans, metered models, seeds, and the lists for its candidates.

    A search never sees a pipeline, a file or a device. `judges` has one verifier for a guided search; a pool search
    (`pools = True`) gets all verifiers of the run and scores one pool of images with each of them.
    Built by `harness/search/prepare.py`.
    """

    prompts: tuple[Prompt, ...]
    conditioning: Any
    """The prompts, encoded by `generator` and charged."""
    generator: MeteredGenerator
    judges: tuple[MeteredVerifier, ...]
    seeds: Seeds
    budget: Budget
    plans: tuple[Plan, ...]
    """One per prompt; a plan depends on the length of that prompt's text and on no other prompt."""
    max_rows: int
    """The largest number of rows in one batch."""
    prices: tuple[Prices, ...] = ()
    """One per prompt, under the first judge, for a search that plans while it runs."""
    refiner: Refiner | None = None
    """The second model, if the generator is the first of a pair."""
    limits: dict[int, Budget] = field(default_factory=dict)
    """What a prompt may spend, if the search has given it another amount than the budget."""
    roots: dict[int, int] = field(default_factory=dict)
    """Number of roots that each prompt has had so far, if a search runs several times on the task (`harness/search/subtask.py`)."""
    candidates: dict[str, list[list[Candidate]]] = field(default_factory=dict)
    """Verifier name to one list per prompt: the prompt's scored candidates, in order."""

    def __post_init__(self) -> None:
        for judge in self.judges:
            self.candidates.setdefault(judge.card.name, [[] for _ in self.prompts])

    def seed(self, prompt: int, path: Path, step: int) -> int:
        """Seed of a candidate's draw at `step`; step -1 is its start."""
        return self.seeds.at(self.prompts[prompt].id, path, step)

    def limit(self, prompt: int) -> Budget:
        """What a prompt may spend: the budget, or what the search has given it."""
        return self.limits.get(prompt, self.budget)

    def spent(self, prompt: int, judge: MeteredVerifier) -> Cost:
        """What a prompt has spent under one judge: the generation, and this judge's verification."""
        return self.generator.ledger.spent(prompt) + judge.ledger.spent(prompt)

    @property
    def largest_batch(self) -> int:
        """The largest number of rows that a state of any of the models has had."""
        refining = self.refiner.generator.largest_batch if self.refiner else 0
        return max(self.generator.largest_batch, refining)

    def limited(self, prompt: int) -> Cost:
        """What a prompt has spent as the budget counts it (`Plan.limited`): previews that were looked at count as images."""
        return self.spent(prompt, self.judges[0]) + Cost(images=self.generator.looks[prompt])


class Unfit(WrongInput):
    """Raised by a planner if its search makes no sense with a model or verifier under any budget: too few steps, no usable scores."""


@runtime_checkable
class Search(Protocol):
    """One strategy; its parameters are the fields of a frozen dataclass, None if the planner chooses the value."""

    name: ClassVar[str]
    families: ClassVar[tuple[Family, ...]]
    needs: ClassVar[tuple[type, ...]]
    """Ability protocols of models/base.py that the generator must have."""
    pools: ClassVar[bool]
    """Whether candidates do not depend on scores, so that one run serves every verifier and every smaller budget."""
    size: ClassVar[str]
    """The parameter that the planner chooses if it is not given; the search's next larger size has it larger by one."""

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """Parameters that use `budget` as far as possible and never exceed it.

        Raises:
            BudgetTooSmall: with the smallest budget that works.
            Unfit: no budget would work.
        """
        ...

    def run(self, task: Task) -> None:
        """Advance all prompts of the task at once, and append every scored candidate to `task.candidates`."""
        ...


def describes(search: Search) -> bool:
    """Whether a search, or the one it wraps, compares pictures by their features (`verifiers.base.Describing`)."""
    wrapped = getattr(search, "search", None)
    return bool(getattr(search, "describes", False)) or (wrapped is not None and describes(wrapped))


def choose(candidates: Sequence[Candidate], combined: Sequence[float]) -> int | None:
    """Index of the finished candidate with the best score (of equal ones the earliest); None if none is scored."""
    best: int | None = None
    for index, (candidate, score) in enumerate(zip(candidates, combined, strict=True)):
        if candidate.complete and score == score and (best is None or score > combined[best]):
            best = index
    return best
