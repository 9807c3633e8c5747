"""A training aid: every patch token also has to say which kind and colour it sees; dropped when training ends."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from suites.shapes.vocabulary import COLOURS, KINDS
from verifiers.shapes.pool import Groups


class PatchReader(nn.Module):
    """Reads kind and colour off patch tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kind = nn.Linear(width, 1 + len(KINDS))
        self.colour = nn.Linear(width, 1 + len(COLOURS))

    def loss(self, tokens_BLC: torch.Tensor, groups: Groups) -> torch.Tensor:
        """Return the mean cross-entropy of both readings; `tokens_BLC` are the patches of each picture, row by row."""
        kinds, colours = (self._labels(painted, tokens_BLC.shape[1]) for painted in (groups.kinds, groups.colours))
        tokens = tokens_BLC.flatten(0, 1)
        return functional.cross_entropy(self.kind(tokens), kinds) + functional.cross_entropy(
            self.colour(tokens), colours
        )

    @staticmethod
    def _labels(painted_GPHW: np.ndarray, patches: int) -> torch.Tensor:
        """Return what was painted in the middle of each patch."""
        side, cells = math.isqrt(patches), painted_GPHW.shape[-1]
        middles = ((np.arange(side) + 0.5) / side * cells).astype(int)
        return torch.from_numpy(painted_GPHW[..., middles[:, None], middles]).long().flatten()
