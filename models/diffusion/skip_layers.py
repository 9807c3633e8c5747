"""Skip-layer guidance of Stable Diffusion 3.5: away from what the network says without some of its blocks, in early steps.

Strength and steps are those recommended for SD3.5 Medium, the defaults of diffusers' `StableDiffusion3Pipeline`; its blocks are
7, 8 and 9.
"""

from __future__ import annotations

from collections.abc import Iterable

SCALE = 2.8
START, STOP = 0.01, 0.2
"""Shares of the steps between which it is on, both ends left out."""


def blocks_of(text: str) -> tuple[int, ...]:
    """The blocks that a setting such as "7/8/9" names; none for "". Raises ValueError."""
    parts = text.split("/") if text else []
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"skip_guidance_layers={text} is no list of blocks: write them as 7/8/9")
    return tuple(map(int, parts))


def check_blocks(blocks: Iterable[int], guidance_scale: float, layers: int) -> None:
    """Raise ValueError for blocks that a network of so many layers lacks, or where there is nothing that they are left out of."""
    for block in blocks:
        if block >= layers:
            raise ValueError(f"skip_guidance_layers names block {block}: the model has 0 to {layers - 1}")
        if guidance_scale <= 1:
            raise ValueError(f"skip_guidance_layers adds to guidance, and guidance_scale={guidance_scale:g} is none: set it above 1")


def skips(step: int, steps: int) -> bool:
    """Whether this step has the pass without the blocks."""
    return steps * START < step < steps * STOP
