"""Which of a set of pictures stand for all of them: clusters of their features, and the nearest to each centre."""

from __future__ import annotations

import numpy as np
import torch
from scipy.cluster.vq import kmeans2


def principal(patches_NLE: torch.Tensor) -> np.ndarray:
    """Each image's patches on its own first principal component: float64 [N, L] (TTS-VAR's features).

    The sign of a component is arbitrary; it is chosen so that the largest loading is positive.
    """
    centred_NLE = patches_NLE.double() - patches_NLE.double().mean(1, keepdim=True)
    axis_NE = torch.linalg.svd(centred_NLE, full_matrices=False).Vh[:, 0]
    largest_N1 = axis_NE.abs().argmax(1, keepdim=True)
    axis_NE = axis_NE * axis_NE.gather(1, largest_N1).sign()
    scores_NL: np.ndarray = (centred_NLE @ axis_NE[:, :, None])[:, :, 0].numpy()
    return scores_NL


def representatives(features_NL: np.ndarray, count: int, seed: int) -> list[int]:
    """`count` different rows, ascending: the nearest to the centre of each cluster, filled up from the rest by distance."""
    random = np.random.default_rng(seed)
    centres_CL, labels_N = kmeans2(features_NL, count, minit="++", seed=random)
    distances_N = np.linalg.norm(features_NL - centres_CL[labels_N], axis=1)
    order = np.argsort(distances_N, kind="stable").tolist()
    chosen: list[int] = []
    taken: set[int] = set()
    for row in order:
        if labels_N[row] not in taken:
            taken.add(labels_N[row])
            chosen.append(row)
    # A cluster can be empty: the pictures farthest from their centre stand for nobody yet.
    chosen += [row for row in reversed(order) if row not in chosen][: count - len(chosen)]
    return sorted(chosen[:count])
