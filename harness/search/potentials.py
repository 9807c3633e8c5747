"""Potentials of particles: what their rewards so far say, and how strongly it counts (Singhal et al., arXiv 2501.06848)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

Potential: TypeAlias = Literal["max", "difference", "sum", "return"]
Tempering: TypeAlias = Literal["constant", "increase"]
GROWTH = 0.008
"""DAS's gamma: the temperature's growth at each of 100 steps (Kim et al., arXiv 2501.05803)."""


@dataclass(frozen=True, slots=True)
class Particle:
    """What a particle remembers."""

    log_weight: float = 0.0
    """Since the last resampling."""
    total: float = 0.0
    """Of its rewards."""
    memory_M: tuple[float, ...] = ()
    """Raw scores under the verifier's parts: those of its best look under `max`, of its last under `difference`; () before one."""
    strength: float = 0.0
    """How strongly the last reward has counted."""

    def resampled(self) -> Particle:
        """As a child of itself: what it was worth has been paid in children."""
        return replace(self, log_weight=0.0)

    def _after(
        self, values_M: np.ndarray, term: float, reward: float, remembered: float, potential: Potential, strength: float
    ) -> Particle:
        keeps = potential in ("max", "difference") and not (potential == "max" and remembered >= reward)
        memory_M = tuple(values_M.tolist()) if keeps else self.memory_M
        return Particle(self.log_weight + float(term), self.total + float(reward), memory_M, strength)


def seen(
    particles: Sequence[Particle], values_NM: np.ndarray, rewards: Callable[[np.ndarray], np.ndarray], potential: Potential, strength: float
) -> tuple[list[Particle], np.ndarray]:
    """The particles of one prompt after a look at their raw scores, and their log-weights at this look [N].

    `rewards` makes comparable numbers of one pool, NaN for unscored: what is remembered is rated anew beside what is new, as an
    ensemble's ranks compare within one pool only. An unscored particle has no weight at this look; to later ones it has been the
    worst of those scored. A look without a score says nothing.
    """
    count, parts = values_NM.shape
    memory_NM = np.array([one.memory_M or (np.nan,) * parts for one in particles])
    now_N, before_N = np.split(rewards(np.concatenate([values_NM, memory_NM])), [count])
    if np.isnan(now_N).all():
        return list(particles), np.array([one.log_weight for one in particles])
    blind_N, worst = np.isnan(now_N), int(np.nanargmin(now_N))
    now_N = np.where(blind_N, now_N[worst], now_N)
    values_NM = np.where(blind_N[:, None], values_NM[worst], values_NM)
    last_N, totals_N = (np.array([getattr(one, name) for one in particles]) for name in ("strength", "total"))
    terms_N = {
        "max": strength * np.fmax(now_N, before_N), "difference": strength * now_N - np.nan_to_num(last_N * before_N),
        "sum": strength * (totals_N + now_N), "return": strength * now_N,
    }[potential]  # fmt: skip
    after = [
        one._after(values_M, term, reward, best, potential, strength)
        for one, values_M, term, reward, best in zip(particles, values_NM, terms_N, now_N, before_N, strict=True)
    ]
    return after, np.where(blind_N, -np.inf, [one.log_weight for one in after])


def check_scale(scale: float) -> None:
    """Raise ValueError for a strength that would steer to the worst, or that is no number."""
    if not 0 <= scale < np.inf:
        raise ValueError(f"scale={scale:g} is not a strength, a number from 0: below it the worst would be preferred")


def strength_at(scale: float, tempering: Tempering, part: float) -> float:
    """How strongly rewards count after `part` of the steps; DAS lets it grow as (1 + gamma)^t - 1, up to 1."""
    return scale if tempering == "constant" else scale * min(1.0, (1 + GROWTH) ** (100 * part) - 1)
