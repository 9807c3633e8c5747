"""From a decoder's values to the bytes of pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.errors import RunFailed
from models.base import Images

_DECODE_PIXELS = 8 * 1024 * 1024


def images_at_once(height: int, width: int) -> int:
    """How many images of this size go through a VAE together: its activations are what fills a device first."""
    return max(1, _DECODE_PIXELS // (height * width))


def floored(image_NCHW: Tensor, model: str) -> Images:
    """-1 to 1 -> uint8, rounding down as the scripts of Infinity and Janus do. Raises RunFailed for what is no number."""
    check_numbers(image_NCHW, model)
    return ((image_NCHW.float().clamp(-1, 1) + 1) / 2 * 255).to(torch.uint8).cpu().contiguous()


def rounded(image_NCHW: Tensor, model: str) -> Images:
    """-1 to 1 -> uint8 as diffusers' VaeImageProcessor rounds it: a pipeline's bytes. Raises RunFailed for what is no number."""
    check_numbers(image_NCHW, model)
    return (image_NCHW * 0.5 + 0.5).clamp(0, 1).float().mul(255).round().to(torch.uint8).cpu()


def check_numbers(values: Tensor, model: str) -> None:
    """Refuse what a model has drawn where it is no number, which bytes and bits would not show. Raises RunFailed."""
    if values.isnan().any():
        raise RunFailed(
            f"{model} draws values that are no numbers (NaN): its weights are damaged, or its type is too narrow; fetch or copy "
            "them again, or try the setting dtype=float32"
        )
