"""A search run without its models: what it will ask of them, row by row, before anything is loaded onto it.

The meter, the prices and the search are the real ones; only images and scores are made up, and time passes as measured
speeds have it, not as the stand-ins take it. So what is counted is what a run will be charged, unless the strategy lets
scores decide how much it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from harness.clock import PATCHES, scoring
from harness.ledger import Budget, Cost
from harness.meter import MeteredGenerator
from harness.prices import Calibration
from harness.search.base import Search
from harness.search.prepare import prepare
from harness.seeds import Path, Seeds
from models.base import Generator, Images, ModelCard, Operation, Row, first_step
from models.pair import Pair
from suites.base import Prompt
from verifiers.base import Scores, Verifier, cascading

_PIXELS = 8
"""Side of the made-up images."""
_WORK = ("predict", "draw", "preview", "decode")


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a search has asked of its models for all prompts together."""

    rows: Mapping[str, tuple[int, ...]]
    """Operation to rows at each step: "predict" passes, "draw" candidates, "preview" and "decode" images."""
    spent: Cost
    """As the meter has charged it; seconds by the calibration, 0 without one."""
    looks: int
    """Previews looked at, which a budget in images pays for as images."""


def rehearse(
    search: Search,
    generator: Generator,
    verifier: Verifier,
    prompts: Sequence[Prompt],
    budget: Budget,
    calibration: Calibration | None = None,
) -> Rehearsed:
    """Run a search on prompts, `budget` for each, with stand-ins for the models; raises BudgetTooSmall as its planner does."""
    actor: Any = _acting(generator, calibration) if isinstance(generator, Pair) else _Actor(generator, calibration)
    critic = _Critic(verifier, calibration)
    task = prepare(search, actor, [critic], prompts, budget, _Quick(0, ""), 1 << 16, calibration, now=lambda: 0.0)
    search.run(task)
    rows = _rows(task.generator)
    if task.refiner:
        rows |= {f"refining {name}": counts for name, counts in _rows(task.refiner.generator).items()}
    everyone = range(len(prompts))
    spent = sum((task.spent(prompt, task.judges[0]) for prompt in everyone), Cost())
    return Rehearsed(rows, spent, sum(task.generator.looks[prompt] for prompt in everyone))


def _rows(generator: MeteredGenerator) -> dict[str, tuple[int, ...]]:
    counts: Counter[tuple[str, int]] = Counter()
    for (operation, step), timing in generator.clock.items():
        counts[operation, step] += timing.rows
    rows = {name: tuple(counts[name, step] for step in range(generator.card.steps + 1)) for name in _WORK}
    return {name: each for name, each in rows.items() if any(each)}


def _acting(pair: Pair, calibration: Calibration | None) -> Pair:
    draft, refine = _Actor(pair.draft, calibration), _Actor(pair.refine, calibration and calibration.of_refining())
    return Pair(pair.card.name, draft, refine)  # type: ignore[arg-type]


class _Quick(Seeds):
    """Seeds of a candidate's path and step alone: nothing is drawn but children, and hashing a million names takes as long as all else."""

    def at(self, prompt_id: str, path: Path, step: int) -> int:
        return hash((path, step)) & 0x7FFF_FFFF_FFFF_FFFF  # of whole numbers, so the same in every process


@dataclass(frozen=True, slots=True)
class _Texts:
    prompts: tuple[str, ...]
    text_tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Standing:
    """Rows of a generator that only counts; rows of one source share a pass as in `models/base.py`."""

    conditioning: _Texts
    rows: tuple[Row, ...]
    source: tuple[int, ...]
    family: str
    steps: int
    step: int = 0
    predicted: bool = False

    @property
    def pending(self) -> tuple[int, ...]:
        if self.predicted or self.step == self.steps:
            return ()
        first: dict[int, int] = {}
        for row, source in enumerate(self.source):
            first.setdefault(source, row)
        return tuple(first.values())

    @property
    def pending_preview(self) -> tuple[int, ...]:
        return self.pending if self.family == "diffusion" else ()


class _Actor:
    """A generator that has the card, the prices and the speed of another and makes nothing."""

    device = torch.device("cpu")

    def __init__(self, generator: Generator, calibration: Calibration | None) -> None:
        self._generator, self._calibration = generator, calibration
        self.card: ModelCard = generator.card

    def encode(self, prompts: Sequence[str]) -> _Texts:
        return _Texts(tuple(prompts), self.text_tokens(prompts))

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        return self._generator.text_tokens(prompts)

    def start(self, conditioning: _Texts, rows: Sequence[Row]) -> _Standing:
        shared = self.card.family == "ar"
        source = tuple(row.prompt for row in rows) if shared else tuple(range(len(rows)))
        return _Standing(conditioning, tuple(rows), source, self.card.family, self.card.steps)

    def predict(self, state: _Standing) -> _Standing:
        return replace(state, predicted=True)

    def draw(self, state: _Standing, seeds: Sequence[int]) -> _Standing:
        if self.card.family == "ar":
            return self.draw_stochastic(state, seeds)
        return replace(state, step=state.step + 1, predicted=False)

    def draw_stochastic(self, state: _Standing, seeds: Sequence[int], level: float = 1.0) -> _Standing:
        source = tuple(range(len(seeds))) if level else state.source
        return replace(state, step=state.step + 1, predicted=False, source=source)

    def select(self, state: _Standing, indices: Sequence[int]) -> _Standing:
        rows = tuple(state.rows[index] for index in indices)
        return replace(state, rows=rows, source=tuple(state.source[index] for index in indices))

    def preview(self, state: _Standing) -> Images:
        return self.decode(state)

    def decode(self, state: _Standing) -> Images:
        return torch.zeros(len(state.rows), 3, _PIXELS, _PIXELS, dtype=torch.uint8)

    def price(self, operation: Operation, step: int = 0, text_tokens: int = 0) -> Cost:
        cost = self._generator.price(operation, step, text_tokens)
        return replace(cost, seconds=self._calibration.seconds(operation, step)) if self._calibration else cost

    def log_prob(self, state: _Standing) -> torch.Tensor:
        return torch.arange(len(state.rows), dtype=torch.float64)

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        return torch.randn(len(seeds), 4, generator=torch.Generator().manual_seed(0))

    def start_from(self, conditioning: _Texts, rows: Sequence[Row], noise_BX: torch.Tensor) -> _Standing:
        return self.start(conditioning, rows)

    def start_image(self, conditioning: _Texts, rows: Sequence[Row], images: Images, strength: float) -> _Standing:
        return replace(self.start(conditioning, rows), step=first_step(strength, self.card.steps))

    def renoise(self, state: _Standing, step: int, seeds: Sequence[int]) -> _Standing:
        return replace(state, step=step, predicted=False, source=tuple(range(len(seeds))))

    def mutate(self, state: _Standing, seeds: Sequence[int], rate: float) -> _Standing:
        return replace(state, predicted=False, source=tuple(range(len(seeds))))

    def join(self, states: Sequence[_Standing]) -> _Standing:
        # Sources of different states are different rows: numbered apart by their state.
        apart = [(index, own) for index, state in enumerate(states) for own in state.source]
        number = {one: place for place, one in enumerate(dict.fromkeys(apart))}
        rows = tuple(row for state in states for row in state.rows)
        return replace(states[0], rows=rows, source=tuple(number[one] for one in apart))


class _Critic:
    """A verifier that has the card, the prices and the speed of another and gives each image another score."""

    def __init__(self, verifier: Verifier, calibration: Calibration | None) -> None:
        self._verifier, self.card, self._seen, self._calibration = verifier, verifier.card, 0, calibration
        cascade = cascading(verifier)
        if cascade:
            self.stages, self.going = tuple(_Critic(stage, calibration) for stage in cascade.stages), cascade.going

    def score(self, images: Images, prompts: Sequence[str]) -> Scores:
        random = np.random.default_rng(self._seen)
        self._seen += len(prompts)
        return Scores(random.random((len(prompts), len(self.card.parts))), ("",) * len(prompts))

    def patches(self, images: Images) -> torch.Tensor:
        random = torch.Generator().manual_seed(self._seen)
        return torch.randn(len(images), 4, 4, generator=random)

    def patches_price(self) -> Cost:
        verifier: Any = self._verifier
        price: Cost = verifier.patches_price()
        return self._lasting(price, PATCHES, 1)

    def forget(self) -> None:
        """Nothing is known of any prompt."""

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        return self._verifier.combine(values_NM)

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        return self._lasting(self._verifier.price(images, new_prompts), scoring(self.card), images)

    def _lasting(self, cost: Cost, operation: str, images: int) -> Cost:
        if self._calibration is None or not images:
            return cost
        seconds = self._calibration.seconds(operation) * images
        return replace(cost, seconds=seconds, verifier_seconds=seconds)
