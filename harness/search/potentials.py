"""Potentials of particles: what their rewards so far say, and how strongly it counts (Singhal et al., arXiv 2501.06848)."""

from __future__ import annotations

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
    highest: float = -np.inf
    total: float = 0.0
    latest: float = 0.0
    """The last reward times its strength."""

    def seen(self, reward: float, potential: Potential, strength: float) -> Particle:
        """After one more reward, NaN for unscored: an unscored particle has no weight."""
        if np.isnan(reward):
            return replace(self, log_weight=-np.inf)
        highest, total, latest = max(self.highest, reward), self.total + reward, strength * reward
        value = {
            "max": strength * highest, "difference": latest - self.latest, "sum": strength * total, "return": latest,
        }[potential]  # fmt: skip
        return Particle(self.log_weight + value, highest, total, latest)

    def resampled(self) -> Particle:
        """As a child of itself: what it was worth has been paid in children."""
        return replace(self, log_weight=0.0)


def check_scale(scale: float) -> None:
    """Raise ValueError for a strength that would steer to the worst, or that is no number."""
    if not 0 <= scale < np.inf:
        raise ValueError(f"scale={scale:g} is not a strength, a number from 0: below it the worst would be preferred")


def strength_at(scale: float, tempering: Tempering, part: float) -> float:
    """How strongly rewards count after `part` of the steps; DAS lets it grow as (1 + gamma)^t - 1, up to 1."""
    return scale if tempering == "constant" else scale * min(1.0, (1 + GROWTH) ** (100 * part) - 1)
