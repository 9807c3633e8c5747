"""Previews with smaller sides: latents are averaged over squares before they are decoded, which costs a part of a decode.

A verifier resizes what it is given, so that a preview need not have the size of the image.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from harness.errors import WrongInput

SETTING = "preview_shrink"
"""Of models whose generator is `models.base.SmallPreviews`: what the sides of previews are divided by."""


def shrunk(latents_NCHW: torch.Tensor, shrink: int) -> torch.Tensor:
    """Means over squares of `shrink` by `shrink` latents."""
    return functional.avg_pool2d(latents_NCHW, shrink) if shrink > 1 else latents_NCHW


def smaller(grid: tuple[int, int], shrink: int, name: str) -> tuple[int, int]:
    """A latent grid (rows, columns) with its sides divided. Raises WrongInput where that leaves a rest."""
    if grid[0] % shrink or grid[1] % shrink:
        fitting = [one for one in range(1, min(grid) + 1) if not (grid[0] % one or grid[1] % one)]
        raise WrongInput(
            f"model {name}: {SETTING}={shrink} does not divide its latents, {grid[0]} by {grid[1]}: "
            f"use {' or '.join(map(str, fitting))}"
        )
    return grid[0] // shrink, grid[1] // shrink
