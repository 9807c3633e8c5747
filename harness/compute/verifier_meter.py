"""The meter of verifiers: as `harness/compute/meter.py` is that of generators, the only way a search reaches one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.compute.clock import PATCHES, Clock, scoring, wall_seconds
from harness.compute.ledger import Cost, Ledger
from harness.memory import Parts
from models.base import Images
from models.blank import NO_NUMBERS, are_blank
from verifiers.base import UNASKED, Scores, Verifier, asked, cascading

if TYPE_CHECKING:
    import torch


def scored(verifier: Verifier, images: Images, texts: Sequence[str], parts: Parts) -> Scores:
    """Scores of all images, of some at a time where memory runs out; blanks, which are given and charged like any, are unscored."""
    if not texts:
        return verifier.score(images, texts)
    some = parts.run(lambda rows: verifier.score(images[rows[0] : rows[-1] + 1], texts[rows[0] : rows[-1] + 1]), len(texts))
    lost_N = are_blank(images)
    values_NM = np.where(np.array(lost_N)[:, None], np.nan, np.concatenate([one.values_NM for one in some]))
    reasons = (reason for one in some for reason in one.reasons)
    return Scores(values_NM, tuple(NO_NUMBERS if lost else reason for lost, reason in zip(lost_N, reasons, strict=True)))


class MeteredVerifier:
    """A verifier with its own ledger; a prompt's text pass is charged once, before its first image.

    Of a cascade `score` asks the cheap stage and `examine` the expensive one, each charged for what it is given.
    What the verifier knew of prompts is forgotten first: the pass that is charged is also run, and timed. Prompts of one text
    are each charged it, though it is run once: what a prompt costs depends on no other (docs/decisions.md).
    """

    def __init__(self, verifier: Verifier, ledger: Ledger, now: Callable[[], float] | None = None) -> None:
        """`now` is the clock, in seconds."""
        verifier.forget()
        self._now = now or wall_seconds
        self._verifier, self.card = verifier, verifier.card
        self._text = verifier.price(0, 1)
        self._cascade = cascading(verifier)
        self._stages: tuple[Verifier, ...] = self._cascade.stages if self._cascade else (verifier,)
        self._image = [stage.price(1) for stage in self._stages]
        self._opened: set[int] = set()
        self._parts = Parts()
        self.ledger = ledger
        self.clock = Clock()

    @property
    def ranks(self) -> bool:
        """Whether a pool's best score compares within its pool only: an ensemble's does, also as a cascade's expensive stage."""
        return len(self._stages[-1].card.parts) > 1

    def open(self, prompts: Iterable[int]) -> None:
        """Charge the text pass of prompts that are new; its seconds are measured with their first images."""
        for prompt in prompts:
            if prompt not in self._opened:
                self._opened.add(prompt)
                self.ledger.charge(prompt, self._text)

    def score(self, images: Images, texts: Sequence[str], prompts: Sequence[int]) -> Scores:
        """Score image n against texts[n]; it is charged to the account prompts[n]. What a cascade's second stage says is `UNASKED`."""
        self.open(prompts)
        scores = self._asked(0, images, texts, prompts)
        left = len(self.card.parts) - scores.values_NM.shape[1]
        unasked_NM = np.full((len(texts), left), UNASKED)
        return Scores(np.concatenate([scores.values_NM, unasked_NM], axis=1), scores.reasons) if left else scores

    def going(self, candidates: int) -> int:
        """How many of a prompt's candidates of one round are to be examined: none without a second stage."""
        return self._cascade.going(candidates) if self._cascade else 0

    def examine(self, images: Images, texts: Sequence[str], prompts: Sequence[int]) -> Scores:
        """The second stage's own columns, charged as `score` is."""
        return self._asked(1, images, texts, prompts)

    def _asked(self, stage: int, images: Images, texts: Sequence[str], prompts: Sequence[int]) -> Scores:
        begin = self._now()
        scores = scored(self._stages[stage], images, texts, self._parts)
        seconds = self._now() - begin
        self.clock.add(scoring(self._stages[stage].card), 0, len(texts), seconds)
        for prompt, count in Counter(prompts).items():
            share = seconds * count / len(texts)
            self.ledger.charge(prompt, self._image[stage] * count + Cost(seconds=share, verifier_seconds=share))
        return scores

    def patches(self, images: Images, prompts: Sequence[int]) -> torch.Tensor:
        """Features of image n, float32 [N, L, E], charged to the account prompts[n] (verifiers that are `Describing`)."""
        verifier: Any = self._verifier
        begin = self._now()
        patches_NLE: torch.Tensor = self._parts.join(
            lambda rows: verifier.patches(images[rows[0] : rows[-1] + 1]), len(images)
        )
        seconds = self._now() - begin
        self.clock.add(PATCHES, 0, len(prompts), seconds)
        for prompt, count in Counter(prompts).items():
            share = seconds * count / len(prompts)
            self.ledger.charge(prompt, verifier.patches_price() * count + Cost(seconds=share, verifier_seconds=share))
        return patches_NLE

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        """One comparable number per candidate of one prompt's pool: float64 [N], NaN where unscored."""
        return self._verifier.combine(values_NM)

    def rewards(self, values_NM: np.ndarray) -> np.ndarray:
        """The same, NaN too for what only a cascade's cheap stage has judged."""
        return np.where(asked(values_NM), self.combine(values_NM), np.nan)
