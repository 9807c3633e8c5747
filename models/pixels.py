"""From a decoder's values to the bytes of pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from models.base import Images
from models.blank import blank

_DECODE_PIXELS = 8 * 1024 * 1024


def images_at_once(height: int, width: int) -> int:
    """How many images of this size go through a VAE together: its activations are what fills a device first."""
    return max(1, _DECODE_PIXELS // (height * width))


def floored(image_NCHW: Tensor) -> Images:
    """-1 to 1 -> uint8, rounding down as the scripts of Infinity and Janus do; a blank for what is no numbers."""
    return blanked(((image_NCHW.float().clamp(-1, 1) + 1) / 2 * 255).to(torch.uint8).cpu().contiguous(), image_NCHW)


def rounded(image_NCHW: Tensor) -> Images:
    """-1 to 1 -> uint8 as diffusers' VaeImageProcessor rounds it: a pipeline's bytes; a blank for what is no numbers."""
    return blanked((image_NCHW * 0.5 + 0.5).clamp(0, 1).float().mul(255).round().to(torch.uint8).cpu(), image_NCHW)


def blanked(images: Images, values_NX: Tensor) -> Images:
    """The images, with a blank in place of each whose row of `values_NX` has one that is no number, which bytes and bits do not show."""
    lost_N = values_NX.isnan().reshape(len(images), -1).any(1).cpu()
    if lost_N.any():
        images[lost_N] = blank(*images.shape[2:])
    return images
