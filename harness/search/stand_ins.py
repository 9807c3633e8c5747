"""Stand-ins for a generator and a verifier: they have the cards, prices and speeds of real ones, and make up images and scores.

They last in one of two ways: a row costs seconds by a calibration, or a call puts a clock on by what it takes as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch

from harness.compute.clock import PATCHES, scoring
from harness.compute.ledger import Cost
from harness.compute.prices import Calibration
from models.base import Generator, Images, Mixed, ModelCard, Operation, Row, first_step
from models.row_checks import first_of_each
from verifiers.base import Scores, Verifier, cascading

Take = Callable[[str, int, int], None]
"""Lets a call of an operation at a step on so many rows take its time."""
_PIXELS = 8
"""Side of the made-up images."""


def at_once(operation: str, step: int, rows: int) -> None:
    """A call that takes no time."""


@dataclass(frozen=True, slots=True)
class _Texts:
    prompts: tuple[str, ...]
    text_tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _State:
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
        return first_of_each(self.source)

    @property
    def pending_preview(self) -> tuple[int, ...]:
        return self.pending if self.family == "diffusion" else ()


class StandInGenerator:
    """A generator that has the card, the prices and the speed of another and makes nothing."""

    device = torch.device("cpu")

    def __init__(self, generator: Generator, calibration: Calibration | None, take: Take = at_once) -> None:
        self._generator, self._calibration, self._take = generator, calibration, take
        self.card: ModelCard = generator.card
        self._sequences = cache(lambda step: generator.price("predict", step).forwards)
        if isinstance(generator, Mixed):
            self.predict_all = self._predict_together

    def encode(self, prompts: Sequence[str]) -> _Texts:
        self._take("encode", 0, len(prompts))
        return _Texts(tuple(prompts), self.text_tokens(prompts))

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        return self._generator.text_tokens(prompts)

    def start(self, conditioning: _Texts, rows: Sequence[Row]) -> _State:
        shared = self.card.family == "ar"
        source = tuple(row.prompt for row in rows) if shared else tuple(range(len(rows)))
        return _State(conditioning, tuple(rows), source, self.card.family, self.card.steps)

    def predict(self, state: _State) -> _State:
        self._take("predict", state.step, len(state.pending))
        return replace(state, predicted=True)

    def _predict_together(self, states: Sequence[_State]) -> list[_State]:
        """Rows of several steps in one pass, but for those that take another number of sequences, as `models/diffusion/generator.py`."""
        passes: Counter[int] = Counter()
        for state in states:
            passes[self._sequences(state.step)] += len(state.pending)
        for rows in filter(None, passes.values()):
            self._take("predict", states[0].step, rows)
        return [replace(state, predicted=True) for state in states]

    def draw(self, state: _State, seeds: Sequence[int]) -> _State:
        return self.draw_stochastic(state, seeds, 1.0 if self.card.family == "ar" else 0.0)

    def draw_stochastic(self, state: _State, seeds: Sequence[int], level: float = 1.0) -> _State:
        self._take("draw", state.step, len(state.rows))
        source = tuple(range(len(seeds))) if level else state.source
        return replace(state, step=state.step + 1, predicted=False, source=source)

    def select(self, state: _State, indices: Sequence[int]) -> _State:
        rows = tuple(state.rows[index] for index in indices)
        return replace(state, rows=rows, source=tuple(state.source[index] for index in indices))

    def preview(self, state: _State) -> Images:
        return self._shown("preview", state)

    def decode(self, state: _State) -> Images:
        return self._shown("decode", state)

    def _shown(self, operation: str, state: _State) -> Images:
        self._take(operation, state.step, len(state.rows))
        return torch.zeros(len(state.rows), 3, _PIXELS, _PIXELS, dtype=torch.uint8)

    def price(self, operation: Operation, step: int = 0, text_tokens: int = 0) -> Cost:
        cost = self._generator.price(operation, step, text_tokens)
        return replace(cost, seconds=self._calibration.seconds(operation, step)) if self._calibration else cost

    def log_prob(self, state: _State) -> torch.Tensor:
        return torch.arange(len(state.rows), dtype=torch.float64)

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        return torch.randn(len(seeds), 4, generator=torch.Generator().manual_seed(0))

    def start_from(self, conditioning: _Texts, rows: Sequence[Row], noise_BX: torch.Tensor) -> _State:
        return self.start(conditioning, rows)

    def start_image(self, conditioning: _Texts, rows: Sequence[Row], images: Images, strength: float) -> _State:
        self._take("embed", 0, len(rows))
        return replace(self.start(conditioning, rows), step=first_step(strength, self.card.steps))

    def renoise(self, state: _State, step: int, seeds: Sequence[int]) -> _State:
        return replace(state, step=step, predicted=False, source=tuple(range(len(seeds))))

    def mutate(self, state: _State, seeds: Sequence[int], rate: float) -> _State:
        return replace(state, predicted=False, source=tuple(range(len(seeds))))

    def join(self, states: Sequence[_State]) -> _State:
        # Sources of different states are different rows: numbered apart by their state.
        apart = [(index, own) for index, state in enumerate(states) for own in state.source]
        number = {one: place for place, one in enumerate(dict.fromkeys(apart))}
        rows = tuple(row for state in states for row in state.rows)
        return replace(states[0], rows=rows, source=tuple(number[one] for one in apart))


class StandInVerifier:
    """A verifier that has the card, the prices and the speed of another and gives each image another score."""

    def __init__(self, verifier: Verifier, calibration: Calibration | None, take: Take = at_once) -> None:
        self._verifier, self.card, self._seen, self._calibration, self._take = verifier, verifier.card, 0, calibration, take
        cascade = cascading(verifier)
        if cascade:
            self.stages, self.going = tuple(StandInVerifier(stage, calibration, take) for stage in cascade.stages), cascade.going

    def score(self, images: Images, prompts: Sequence[str]) -> Scores:
        self._take(scoring(self.card), 0, len(prompts))
        random = np.random.default_rng(self._seen)
        self._seen += len(prompts)
        return Scores(random.random((len(prompts), len(self.card.parts))), ("",) * len(prompts))

    def patches(self, images: Images) -> torch.Tensor:
        self._take(PATCHES, 0, len(images))
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
