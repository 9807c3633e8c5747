"""Resampling schemes: from weights to how many children each particle has, n_i with E[n_i] = count * w_i."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import numpy as np

Resampling: TypeAlias = Literal["multinomial", "systematic", "ssp"]


def multinomial(weights_N: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Independent draws."""
    return random.multinomial(count, weights_N)


def systematic(weights_N: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """One uniform number places `count` evenly spaced points on the cumulated weights."""
    edges = np.cumsum(weights_N) * count
    edges[-1] = count
    below = np.ceil(edges - random.random()).astype(np.int64).clip(0, count)
    below[-1] = count
    return np.diff(below, prepend=0)


def ssp(weights_N: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Srinivasan's sampling process (Gerber, Chopin and Whiteley, arXiv 1708.02230): whole parts are given, and fractions
    meet in pairs until one of each pair is whole; a particle has its expected number of children, rounded up or down."""
    expected = weights_N * count
    children = np.floor(expected).astype(np.int64)
    fraction = expected - children
    held = 0
    for other in range(1, len(weights_N)):
        up, down = min(fraction[other], 1 - fraction[held]), min(fraction[held], 1 - fraction[other])
        if up + down <= 0:  # both whole: nothing to share out
            held = other
            continue
        # With these odds the expectation of both stays: `winner` takes what `loser` gives.
        winner, loser, moved = (held, other, up) if random.random() < down / (up + down) else (other, held, down)
        fraction[winner] += moved
        fraction[loser] -= moved
        if fraction[winner] >= 1 - 1e-9:
            children[winner] += 1
            fraction[winner] = 0.0
            held = loser
        else:
            held = winner
    children[held] += count - children.sum()  # what rounding errors have left, 0 or 1
    return children


SCHEMES: Mapping[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "multinomial": multinomial, "systematic": systematic, "ssp": ssp,
}  # fmt: skip


def normalised(log_weights_N: np.ndarray) -> np.ndarray:
    """Weights that sum to 1; where all are minus infinity, nothing is known and they are equal."""
    highest = log_weights_N.max()
    if highest == -np.inf:
        return np.full(len(log_weights_N), 1 / len(log_weights_N))
    weights_N = np.exp(log_weights_N - highest)
    normal_N: np.ndarray = weights_N / weights_N.sum()
    return normal_N


def effective(weights_N: np.ndarray) -> float:
    """Effective sample size of weights that sum to 1, from 1 to their number."""
    return float(1 / np.square(weights_N).sum())
