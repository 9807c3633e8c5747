"""Which of a set of pictures stand for all of them: clusters of their features, and the nearest to each centre."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.vq import kmeans2

if TYPE_CHECKING:
    import torch


def principal(patches_NLE: torch.Tensor) -> np.ndarray:
    """Each image's patches on its own first principal component: float64 [N, L] (TTS-VAR's features).

    The sign of a component is arbitrary; it is chosen so that the largest loading is positive.
    """
    patches = patches_NLE.double().numpy()
    centred = patches - patches.mean(1, keepdims=True)
    axes_NE = np.linalg.svd(centred, full_matrices=False).Vh[:, 0]
    largest_N1 = np.abs(axes_NE).argmax(1)[:, None]
    axes_NE = axes_NE * np.sign(np.take_along_axis(axes_NE, largest_N1, 1))
    scores_NL: np.ndarray = (centred * axes_NE[:, None]).sum(2)
    return scores_NL


def representatives(features_NL: np.ndarray, count: int, seed: int) -> list[int]:
    """`count` different rows, ascending: the nearest to the centre of each cluster, filled up from the rest by distance."""
    different = len(np.unique(features_NL, axis=0))
    random = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster can be empty: filled up below
        centres_CL, labels_N = kmeans2(features_NL, min(count, different), minit="++", seed=random)
    distances_N = np.linalg.norm(features_NL - centres_CL[labels_N], axis=1)
    order = np.argsort(distances_N, kind="stable").tolist()
    chosen: list[int] = []
    taken: set[int] = set()
    for row in order:
        if labels_N[row] not in taken:
            taken.add(labels_N[row])
            chosen.append(row)
    # The pictures farthest from their centre stand for nobody yet.
    chosen += [row for row in reversed(order) if row not in chosen][: count - len(chosen)]
    return sorted(chosen[:count])
