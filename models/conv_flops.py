"""Static FLOPs of convolutions, 2 per multiply-add, for one image; `cells` are the pixels that come out."""

from __future__ import annotations


def conv_flops(inputs: int, outputs: int, cells: int, kernel: int = 3) -> int:
    """A square kernel between so many channels."""
    return 2 * inputs * outputs * kernel**2 * cells


def res_block_flops(inputs: int, outputs: int, cells: int) -> int:
    """Two convolutions, and one of a single pixel around them where the channels change."""
    shortcut = conv_flops(inputs, outputs, cells, kernel=1) if inputs != outputs else 0
    return conv_flops(inputs, outputs, cells) + conv_flops(outputs, outputs, cells) + shortcut
