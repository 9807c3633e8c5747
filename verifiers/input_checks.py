"""What can be scored: pictures and prompts are looked at one by one, and what cannot be scored gets a reason."""

from collections.abc import Sequence
from typing import TypeAlias

import torch

from models.base import Images

Pictures: TypeAlias = "Images | Sequence[torch.Tensor | None]"
"""A batch uint8 [N, 3, H, W], or a list of uint8 [3, H, W] of any sizes in which None stands for an unreadable picture."""


def faults(images: Pictures, prompts: Sequence[str], reads_text: bool) -> list[str]:
    """Return for each picture why it cannot be scored, "" where it can.

    Raises:
        ValueError: there are not as many prompts as pictures.
    """
    if len(images) != len(prompts):
        raise ValueError(f"{len(images)} images for {len(prompts)} prompts; give one prompt per image")
    return [
        _picture_fault(image) or _prompt_fault(prompt, reads_text)
        for image, prompt in zip(images, prompts, strict=True)
    ]


def _picture_fault(image: torch.Tensor | None) -> str:
    if image is None:
        return "picture is unreadable"
    if image.dtype != torch.uint8:
        return f"picture is {str(image.dtype).removeprefix('torch.')}, not uint8"
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        return f"picture has shape {tuple(image.shape)}, not (3, height, width)"
    return ""


def _prompt_fault(prompt: str, reads_text: bool) -> str:
    return "prompt is empty" if reads_text and not prompt.strip() else ""
