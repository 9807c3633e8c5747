"""Infinity without sharing between candidates: the same images, every candidate paying for each of its passes.

For measuring what sharing saves. A candidate still keeps the keys and values of its own earlier scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from harness.compute.ledger import Cost
from models.base import ModelCard, Operation
from models.infinity.generator import InfinityGenerator
from models.infinity.rollout import Prediction
from models.infinity.state import InfinityState

_LATER = Prediction(torch.empty(0), {}, None)
"""In place of a prediction that the draw will make for every row."""


class Unshared:
    """A generator whose pass is run, and charged, when a candidate draws, once for each."""

    def __init__(self, generator: InfinityGenerator) -> None:
        self._generator = generator
        card = generator.card
        self.card: ModelCard = replace(card, settings={**card.settings, "share": False})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def with_previews(self, shrink: int) -> Unshared:
        """The same with smaller previews. Raises WrongInput."""
        return Unshared(self._generator.with_previews(shrink))

    def predict(self, state: InfinityState) -> InfinityState:
        """Nothing yet: the rows are promised their passes."""
        return replace(state, prediction=_LATER) if state.pending else state

    def draw(self, state: InfinityState, seeds: Sequence[int]) -> InfinityState:
        """Every row's own pass, then its bits. Raises ValueError as in the protocol."""
        if state.prediction is None:
            return self._generator.draw(state, seeds)  # which says what is wrong
        rows = list(state.source)
        prefixes = replace(
            state.prefixes,
            prompts=tuple(state.prefixes.prompts[row] for row in rows),
            features_BdHW=state.prefixes.features_BdHW[rows],
            log_prob_B=state.prefixes.log_prob_B[rows],
            segment_rows=tuple(state.prefixes.segment_rows[row] for row in rows) if state.prefixes.segment else (),
        )
        own = replace(state, prefixes=prefixes, source=tuple(range(len(rows))), prediction=None)
        return self._generator.draw(self._generator.predict(own), seeds)

    def price(self, operation: Operation, step: int = 0, text_tokens: int = 0) -> Cost:
        """As the generator's, the pass moved from "predict" to "draw"."""
        cost = self._generator.price(operation, step, text_tokens)
        if operation == "predict":
            return Cost()
        return cost + self._generator.price("predict", step, text_tokens) if operation == "draw" else cost
