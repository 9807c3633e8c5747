"""Two-dimensional rotary positions: rows turn the first half of a head's channels, columns the second."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from models.infinity.schedule import ScaleSchedule


@lru_cache(maxsize=32)
def rope_table(schedule: ScaleSchedule, head_dim: int, device: torch.device) -> Tensor:
    """Unit complex rotations [L, head_dim / 2] of every token of the schedule, scale after scale.

    Positions are integers on the grid of the full schedule (`rope_grid`), whatever resolution is generated; halves
    round to even (the original's rope2d_normalized_by_hw = 2).
    """
    assert schedule.rope_grid is not None
    half = head_dim // 2
    inverse = 1.0 / 10000.0 ** (torch.arange(0, half, 2).float() / half)
    scales = []
    for h, w in schedule.grids:
        y_h = torch.round(torch.arange(h).float() * (schedule.rope_grid[0] / h))
        x_w = torch.round(torch.arange(w).float() * (schedule.rope_grid[1] / w))
        angles_hwj = torch.cat([torch.outer(y_h, inverse)[:, None].expand(h, w, -1),
                                torch.outer(x_w, inverse)[None].expand(h, w, -1)], dim=-1)
        scales.append(angles_hwj.reshape(h * w, half))
    angles_Lj = torch.cat(scales)
    return torch.complex(angles_Lj.cos(), angles_Lj.sin()).to(device)


def rotate(x_BnXd: Tensor, rotation_nj2: Tensor) -> Tensor:
    """Turn neighbouring channel pairs (2m, 2m + 1) of x [B, n, ..., d] by each token's angles (float32).

    The rotations are the rows of `rope_table` as real numbers (`torch.view_as_real`).
    """
    rotation_nXj2 = rotation_nj2.view(rotation_nj2.shape[0], *[1] * (x_BnXd.dim() - 3), -1, 2)
    pairs_BnXj2 = x_BnXd.float().unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():  # the compiler has no kernels for complex numbers
        cos_nXj1, sin_nXj1 = rotation_nXj2.split(1, dim=-1)
        signed_nXj2 = torch.cat([-sin_nXj1, sin_nXj1], dim=-1)
        return (pairs_BnXj2 * cos_nXj1 + pairs_BnXj2.flip(-1) * signed_nXj2).flatten(-2)
    turned_BnXj = torch.view_as_complex(pairs_BnXj2) * torch.view_as_complex(rotation_nXj2)
    return torch.view_as_real(turned_BnXj).flatten(-2)
