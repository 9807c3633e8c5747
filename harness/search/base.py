"""What a search is: a plan that fits a budget, and a run that records every candidate it has scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from harness.errors import WrongInput
from harness.ledger import Budget, Cost, added
from harness.meter import MeteredGenerator
from harness.prices import Prices
from harness.seeds import Path, Seeds
from harness.verifier_meter import MeteredVerifier
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
    """Price of each round, the first with everything that is paid once; seconds are estimates."""
    exact: bool = True
    """Whether a run spends exactly this (seconds apart); if not, scores on the way decide how much less, or, where prompts
    share a total, which of them gets more."""
    looks: int = 0
    """Previews looked at, which a budget in images pays for as images."""
    passes: tuple[int, ...] = ()
    """Where scores may leave fewer of them: rows through the transformer at each step, as `cost` has them."""
    opening: Cost = field(default_factory=Cost)
    """Of the first round's price what is paid before a deadline is asked about that round; none where it is begun unasked."""

    @cached_property
    def cost(self) -> Cost:
        """Price of the whole search."""
        return added(self.rounds)

    @property
    def limited(self) -> Cost:
        """The price that a budget has to afford: previews count as images here, or no budget in images would limit them."""
        return self.cost + Cost(images=self.looks)

    def unused(self, budget: Budget) -> float:
        """What the plan leaves of a budget, in its unit: for a search of one size, less than one more of it would cost."""
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
    """Why a part of `values_M` is NaN, "" where none is: of a cascade the dear stage's reason, or else the cheap one's."""
    spent: Cost
    """All that the prompt had spent when this score was known; candidates of one round count one after another."""
    kept: bool
    """Whether the search carried this branch on: beam survivor, new pivot, final choice."""
    image: torch.Tensor = field(repr=False, compare=False)
    """uint8 [3, H, W]."""


@dataclass(frozen=True, slots=True)
class Refiner:
    """The second model of a pair: charged to the same ledger as the first."""

    generator: MeteredGenerator
    conditioning: Any


@dataclass(slots=True)
class Task:
    """Everything a search may touch: prompts with their plans, metered models, seeds, and where candidates go.

    A search never sees a pipeline, a file or a device. `judges` has one verifier for a guided search; a pool search
    (`pools = True`) is handed all verifiers of the run and scores one pool of images with each.
    Built by `harness/search/prepare.py`.
    """

    prompts: tuple[Prompt, ...]
    conditioning: Any
    """The prompts encoded by `generator`, charged."""
    generator: MeteredGenerator
    judges: tuple[MeteredVerifier, ...]
    seeds: Seeds
    budget: Budget
    plans: tuple[Plan, ...]
    """One per prompt: a plan depends on the prompt's own text length and on no other prompt."""
    max_rows: int
    """Most rows in one batch."""
    prices: tuple[Prices, ...] = ()
    """One per prompt under the first judge, for a search that plans as it goes."""
    refiner: Refiner | None = None
    """The second model, where the generator is a pair's first."""
    limits: dict[int, Budget] = field(default_factory=dict)
    """What a prompt may spend where a search has allotted it another amount than the budget."""
    roots: dict[int, int] = field(default_factory=dict)
    """Roots that each prompt has had, where a search is run in windows on the task."""
    candidates: dict[str, list[list[Candidate]]] = field(default_factory=dict)
    """Verifier name to one list per prompt: its scored candidates, in order."""

    def __post_init__(self) -> None:
        for judge in self.judges:
            self.candidates.setdefault(judge.card.name, [[] for _ in self.prompts])

    def seed(self, prompt: int, path: Path, step: int) -> int:
        """Seed of a candidate's draw at `step`; step -1 is its start."""
        return self.seeds.at(self.prompts[prompt].id, path, step)

    def limit(self, prompt: int) -> Budget:
        """What a prompt may spend: the budget, or what the search has allotted it."""
        return self.limits.get(prompt, self.budget)

    def spent(self, prompt: int, judge: MeteredVerifier) -> Cost:
        """What a prompt has spent under one judge: the generation, and this judge's verification."""
        return self.generator.ledger.spent(prompt) + judge.ledger.spent(prompt)

    @property
    def largest_batch(self) -> int:
        """Most rows that a state of any of the models has had."""
        refining = self.refiner.generator.largest_batch if self.refiner else 0
        return max(self.generator.largest_batch, refining)

    def limited(self, prompt: int) -> Cost:
        """What a prompt has spent as a budget sees it (`Plan.limited`): previews that were looked at count as images."""
        return self.spent(prompt, self.judges[0]) + Cost(images=self.generator.looks[prompt])


class Unfit(WrongInput):
    """Raised by a planner for a model or verifier on which its search makes no sense, whatever the budget: too few steps, no scores."""


@runtime_checkable
class Search(Protocol):
    """One strategy; its parameters are the fields of a frozen dataclass, None where the planner chooses."""

    name: ClassVar[str]
    families: ClassVar[tuple[Family, ...]]
    needs: ClassVar[tuple[type, ...]]
    """Ability protocols of models/base.py that the generator must have."""
    pools: ClassVar[bool]
    """Whether candidates are independent of scores, so that one run serves every verifier and every smaller budget."""
    size: ClassVar[str]
    """The parameter that the planner chooses where it is not given: the search's next size up is one more of it."""

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """Parameters that use `budget` and never exceed it.

        Raises:
            BudgetTooSmall: naming the smallest that works.
            Unfit: no budget would.
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
    """Index of the finished candidate with the best score, the earliest among equals; None when none is scored."""
    best: int | None = None
    for index, (candidate, score) in enumerate(zip(candidates, combined, strict=True)):
        if candidate.complete and score == score and (best is None or score > combined[best]):
            best = index
    return best
