"""Pictures as the detector takes them: resized as OpenCV does, padded with grey, normalised, in the order RGB."""

from __future__ import annotations

import torch
from torch.nn import functional

from models.base import Images

SHORT_SIDE, LONG_SIDE = 800, 1333
MULTIPLE, PADDING = 32, 128
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_BITS = 11
"""OpenCV interpolates 8-bit pictures in fixed point with weights of this many bits."""


def resized(height: int, width: int, short: int = SHORT_SIDE, long: int = LONG_SIDE) -> tuple[int, int]:
    """The largest size of the same aspect within a short and a long side, halves rounded up, at least a pixel."""
    scale = min(long / max(height, width), short / min(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def resize(images_BCHW: Images, height: int, width: int) -> Images:
    """Resize uint8 pictures bilinearly, pixel for pixel as OpenCV's INTER_LINEAR: no smoothing, fixed point."""
    left, right, weight_right = _neighbours(images_BCHW.shape[3], width)
    # Beyond the edge OpenCV takes the last column whole, but mixes the last row with itself, which rounds twice.
    weight_right = torch.where(left < right, weight_right, 0)
    top, bottom, weight_bottom = _neighbours(images_BCHW.shape[2], height)
    left, right, weight_right, top, bottom, weight_bottom = (
        part.to(images_BCHW.device) for part in (left, right, weight_right, top, bottom, weight_bottom)
    )
    one = 1 << _BITS
    pixels = images_BCHW.to(torch.int32)
    rows = (pixels[..., left] * (one - weight_right) + pixels[..., right] * weight_right) >> 4
    upper = (rows[..., top, :] * (one - weight_bottom)[:, None]) >> 16
    lower = (rows[..., bottom, :] * weight_bottom[:, None]) >> 16
    return ((upper + lower + 2) >> 2).to(torch.uint8)


def _neighbours(size: int, target: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The two source pixels of every target pixel, the same one twice beyond the edge, and the second's weight in fixed point."""
    centre = ((torch.arange(target, dtype=torch.float64) + 0.5) * (size / target) - 0.5).float()
    first = centre.floor()
    weight = ((centre - first) * (1 << _BITS)).round().to(torch.int32)
    return first.long().clamp(0, size - 1), (first.long() + 1).clamp(0, size - 1), weight


def prepare(
    images_BCHW: Images, device: torch.device | str = "cpu", short: int = SHORT_SIDE, long: int = LONG_SIDE
) -> tuple[torch.Tensor, tuple[int, int]]:
    """Turn pictures of one size, uint8 RGB, to the network's input float32 [B, 3, h, w]; also its size before padding."""
    height, width = resized(images_BCHW.shape[2], images_BCHW.shape[3], short, long)
    small = resize(images_BCHW.to(device), height, width)
    padded = functional.pad(small, (0, -width % MULTIPLE, 0, -height % MULTIPLE), value=PADDING)
    mean, std = (torch.tensor(values, device=padded.device)[:, None, None] for values in (MEAN, STD))
    return (padded.float() - mean) / std, (height, width)
