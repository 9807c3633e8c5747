"""A diffusion generator whose latents are their own history: what a search has done to a row can be read and scored by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from readable_model import ReadableJudge, ReadableModel, Words

from models.base import ModelCard

History = tuple[tuple[Any, ...], ...]


def value(history: History) -> float:
    """The score of a row's image, finished or not: another for every history, 24 bits in [0, 1)."""
    return int.from_bytes(_digest(history), "big") / 2**24


def _digest(history: History) -> bytes:
    return hashlib.blake2b(repr(history).encode(), digest_size=3).digest()


@dataclass(frozen=True)
class Told:
    conditioning: Words
    rows: tuple[Any, ...]
    histories: tuple[History, ...]
    step: int = 0
    predicted: bool = False
    steps: int = 0

    @property
    def pending(self) -> tuple[int, ...]:
        if self.predicted or self.step == self.steps:
            return ()
        return tuple(dict(reversed([(history, row) for row, history in enumerate(self.histories)])).values())

    @property
    def pending_preview(self) -> tuple[int, ...]:
        return self.pending

    def after(self, *events: tuple[Any, ...], **changes: Any) -> Told:
        """One event a row."""
        histories = tuple((*history, event) for history, event in zip(self.histories, events, strict=True))
        return replace(self, histories=histories, predicted=False, **changes)


class HistoryModel(ReadableModel):
    """Every ability of a diffusion model; an image is the digest of its history."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.card = ModelCard("history", "diffusion", "shapes", steps, (1, 1), 1, "0" * 64, "none", {})

    def start(self, conditioning: Words, rows: Sequence[Any]) -> Told:
        return Told(conditioning, tuple(rows), tuple((("noise", row.seed),) for row in rows), steps=self.steps)

    def draw(self, state: Told, seeds: Sequence[int]) -> Told:
        return state.after(*[("step", state.step)] * len(seeds), step=state.step + 1)

    def draw_stochastic(self, state: Told, seeds: Sequence[int], level: float) -> Told:
        return state.after(*[("sde", state.step, seed, level) for seed in seeds], step=state.step + 1)

    def renoise(self, state: Told, step: int, seeds: Sequence[int]) -> Told:
        assert step < state.step
        return state.after(*[("renoise", step, seed) for seed in seeds], step=step)

    def mutate(self, state: Told, seeds: Sequence[int], rate: float) -> Told:
        return state.after(*[("mutate", state.step, seed, rate) for seed in seeds])

    def select(self, state: Told, indices: Sequence[int]) -> Told:
        return replace(
            state, rows=tuple(state.rows[n] for n in indices), histories=tuple(state.histories[n] for n in indices)
        )

    def join(self, states: Sequence[Told]) -> Told:
        assert len({(state.step, state.predicted) for state in states}) == 1
        rows, histories = (tuple(one for state in states for one in getattr(state, name)) for name in ("rows", "histories"))
        return replace(states[0], rows=rows, histories=histories)

    def decode(self, state: Told) -> torch.Tensor:
        return torch.tensor([list(_digest(history)) for history in state.histories], dtype=torch.uint8)[:, :, None, None]


class HistoryJudge(ReadableJudge):
    """The score that a digest says."""

    def read(self, image: torch.Tensor) -> float:
        return int.from_bytes(bytes(image.flatten().tolist()), "big") / 2**24
