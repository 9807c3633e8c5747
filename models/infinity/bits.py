"""Multi-scale binary codes: latent to bits, bits to features, and the inputs and labels of the transformer.

Maps are channels first on the VAE grid (bits_BdHW); tokens are [B, h*w, D] with D = d * patch**2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.infinity.schedule import Grid

Flip = Callable[[int, Tensor], Tensor | None]
"""From a scale's index and its bits [B, d, h, w] to a boolean mask of the bits to flip, or None for none."""


def codes(bits_BdHW: Tensor) -> Tensor:
    """Features of bits: +1/sqrt(d) for 1, -1/sqrt(d) for 0 (float32)."""
    return (bits_BdHW.float() * 2 - 1) / bits_BdHW.shape[1] ** 0.5


def resize(x_BdHW: Tensor, grid: Grid) -> Tensor:
    """Bilinear, corners not aligned, without antialiasing, both when growing and when shrinking."""
    if tuple(x_BdHW.shape[-2:]) == tuple(grid):
        return x_BdHW
    return F.interpolate(x_BdHW, size=grid, mode="bilinear", align_corners=False)


def to_tokens(x_BdHW: Tensor, patch: int = 1) -> Tensor:
    """Map [B, d, h*patch, w*patch] to tokens [B, h*w, d*patch**2], row by row."""
    if patch > 1:
        x_BdHW = F.pixel_unshuffle(x_BdHW, patch)
    return x_BdHW.flatten(2).transpose(1, 2)


def to_map(tokens_BnD: Tensor, grid: Grid, patch: int = 1) -> Tensor:
    """Tokens [B, h*w, D] of the token grid (h, w) to the map [B, D/patch**2, h*patch, w*patch]."""
    x_BDHW = tokens_BnD.transpose(1, 2).unflatten(2, grid)
    return F.pixel_shuffle(x_BDHW, patch) if patch > 1 else x_BDHW


@dataclass(frozen=True)
class MultiScaleBits:
    """A latent as bits at every scale."""

    labels: tuple[Tensor, ...]
    """Bits of the residual at each scale before flipping, bool [B, d, h_k, w_k]."""
    cumulative: tuple[Tensor, ...]
    """Sum of the (flipped) codes of scales 0..k at the full grid, [B, d, H, W]; the last is the quantised latent."""

    @property
    def sum_BdHW(self) -> Tensor:
        """Sum of the codes of all scales [B, d, H, W]."""
        return self.cumulative[-1]


def multiscale_bits(latent_BdHW: Tensor, grids: Sequence[Grid], flip: Flip | None = None) -> MultiScaleBits:
    """Bits of each scale from what the coarser scales left over (no gradient).

    grids are in VAE cells, the last one the latent's own. flip is bitwise self-correction: later scales see, and
    correct, the error of flipped bits. Raises ValueError where the last grid is not the latent's.
    """
    full: Grid = (latent_BdHW.shape[-2], latent_BdHW.shape[-1])
    if tuple(grids[-1]) != full:
        raise ValueError(f"latent grid {full} is not the schedule's last grid {tuple(grids[-1])}: resize the image")
    latent_BdHW = latent_BdHW.detach().float()
    total_BdHW = torch.zeros_like(latent_BdHW)
    labels, cumulative = [], []
    for k, grid in enumerate(grids):
        residual_BdHW = latent_BdHW - total_BdHW
        if k < len(grids) - 1:
            residual_BdHW = F.adaptive_avg_pool2d(residual_BdHW, grid)
        bits_BdHW = residual_BdHW > 0
        labels.append(bits_BdHW)
        mask_BdHW = flip(k, bits_BdHW) if flip is not None else None
        used_BdHW = bits_BdHW if mask_BdHW is None else bits_BdHW ^ mask_BdHW.bool()
        total_BdHW = total_BdHW + resize(codes(used_BdHW), full)
        cumulative.append(total_BdHW)
    return MultiScaleBits(tuple(labels), tuple(cumulative))


def straight_through(latent_BdHW: Tensor, codes_BdHW: Tensor) -> Tensor:
    """A sum of codes [B, d, H, W] with the gradient of the latent, to train a tokenizer."""
    return latent_BdHW + (codes_BdHW - latent_BdHW).detach()


def transformer_inputs(bits: MultiScaleBits, grids: Sequence[Grid], patch: int = 1) -> Tensor:
    """Teacher-forced inputs [B, L - n_0, D] of scales 1..K-1: the sum so far, resized to the scale to predict."""
    return torch.cat([to_tokens(resize(total_BdHW, grid), patch)
                      for total_BdHW, grid in zip(bits.cumulative, grids[1:], strict=False)], dim=1)


def transformer_labels(bits: MultiScaleBits, patch: int = 1) -> Tensor:
    """Bits to predict [B, L, D] (int64), all scales one after another."""
    return torch.cat([to_tokens(label_BdHW.float(), patch) for label_BdHW in bits.labels], dim=1).long()
