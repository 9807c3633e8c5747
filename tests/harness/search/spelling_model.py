"""A generator so small that every image it can make is enumerated, and a judge that has a score for each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from readable_model import ReadableJudge, ReadableModel, Words

from models.base import ModelCard

STEPS, CHOICES = 3, 4
TABLE = {path: value for value, path in zip(
    np.random.default_rng(7).permutation(CHOICES**STEPS) / CHOICES**STEPS,
    itertools.product(range(CHOICES), repeat=STEPS), strict=True,
)}  # fmt: skip
"""Every finished image and its score, all different."""


@dataclass(frozen=True)
class Spelled:
    conditioning: Words
    rows: tuple[Any, ...]
    letters: tuple[tuple[int, ...], ...]
    step: int = 0
    predicted: bool = False
    pending_preview: tuple[int, ...] = ()

    @property
    def pending(self) -> tuple[int, ...]:
        if self.predicted or self.step == STEPS:
            return ()
        first = {(row.prompt, word): n for n, (row, word) in reversed(list(enumerate(zip(self.rows, self.letters, strict=True))))}
        return tuple(sorted(first.values()))


class SpellingModel(ReadableModel):
    """Each draw is one of four letters, named by the last number of its seed; an image is its word."""

    late = 10
    card = ModelCard("spelling", "ar", "shapes", STEPS, (1, STEPS), 1, "0" * 64, "none", {})

    def start(self, conditioning: Words, rows: Sequence[Any]) -> Spelled:
        return Spelled(conditioning, tuple(rows), ((),) * len(rows))

    def draw(self, state: Spelled, seeds: Sequence[int]) -> Spelled:
        words = tuple((*word, seed % CHOICES) for word, seed in zip(state.letters, seeds, strict=True))
        return replace(state, letters=words, step=state.step + 1, predicted=False)

    def select(self, state: Spelled, indices: Sequence[int]) -> Spelled:
        return replace(state, rows=tuple(state.rows[n] for n in indices), letters=tuple(state.letters[n] for n in indices))

    def decode(self, state: Spelled) -> torch.Tensor:
        padded = [word + (CHOICES,) * (STEPS - len(word)) for word in state.letters]
        return torch.tensor(padded, dtype=torch.uint8).view(-1, 1, 1, STEPS).expand(-1, 3, 1, STEPS)

    def log_prob(self, state: Spelled) -> torch.Tensor:
        return torch.zeros(len(state.rows), dtype=torch.float64)


class SpellingJudge(ReadableJudge):
    """The score of a word; of a prefix the mean of all words it begins."""

    def __init__(self, constant: bool = False, reach: bool = False) -> None:
        self.constant = constant
        self.value = reachable if reach else worth

    def read(self, image: torch.Tensor) -> float:
        return 0.5 if self.constant else self.value(word_of(image))


def word_of(image: torch.Tensor) -> tuple[int, ...]:
    return tuple(letter for letter in image[0, 0].tolist() if letter < CHOICES)


@cache
def worth(prefix: tuple[int, ...]) -> float:
    return float(np.mean([value for word, value in TABLE.items() if word[: len(prefix)] == prefix]))


@cache
def reachable(prefix: tuple[int, ...]) -> float:
    """The best that can become of a prefix."""
    return max(value for word, value in TABLE.items() if word[: len(prefix)] == prefix)


def drawn(task: Any, path: tuple[int, ...], upto: int = STEPS) -> tuple[int, ...]:
    """The word of a path, straight from its seeds: draws after its last branching are named after the whole path."""
    return tuple(task.seed(0, path[: step + 1], step) % CHOICES for step in range(upto))
