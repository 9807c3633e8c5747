"""The gallery as a picture, of a size that can be read: what a report in Markdown shows of it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.emphasis import emphasised
from reports.gallery import Block, Choice
from reports.pictures import enlarged
from reports.style import GRID, INK, QUIET, RIGHT, WRONG, draw_grade, draw_mark
from reports.summary import Summary

_TILE_PX = 128
_PAGE, _TILE = (9.0, 11.0), 0.66
"""Inches of a picture of the gallery at most, width and height, unless one row of blocks is larger; and of a tile."""
_NAME, _LETTERS = 0.066, 11
"""Inches of a letter of a method's name, and letters of a prompt in an inch, at their sizes and weights."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Rows and columns of a block, inches of it and of its parts, and how many stand side by side."""

    rows: int
    columns: int
    label: float
    width: float
    head: float
    height: float
    across: int

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> _Layout:
        """As large as the largest of these blocks needs it."""
        rows, columns = max(len(block.rows) for block in blocks), max(len(block.budgets) for block in blocks)
        label = 0.25 + _NAME * max(len(name) for block in blocks for method, _ in block.rows for name in method[:2])
        width = label + columns * _TILE + 0.15
        head = 0.47 + 0.15 * max(len(_wrapped(block.prompt, width)) for block in blocks)
        return cls(rows, columns, label, width, head, head + rows * _TILE + 0.2, max(1, min(len(blocks), int(_PAGE[0] / width))))


def pictured(summary: Summary, blocks: Sequence[Block]) -> tuple[Block, ...]:
    """What of a gallery a picture of _PAGE has room for: the first blocks, of many methods those coloured in figures."""
    strong = {method[:2] for method in emphasised(summary)}
    found = [replace(block, rows=tuple(row for row in block.rows if row[0][:2] in strong) or block.rows) for block in blocks]
    layout = _Layout.of(found)
    return tuple(found[: layout.across * max(1, int(_PAGE[1] / layout.height))])


def gallery_figure(blocks: Sequence[Block]) -> Figure:
    """Blocks as one picture, as many side by side as _PAGE is wide: ticks are right, crosses wrong by the grader, numbers its scores."""
    rows, columns, label, width, head, height, across = astuple(_Layout.of(blocks))
    down = -(-len(blocks) // across)
    figure = Figure(figsize=(across * width, down * height))
    for place, block in enumerate(blocks):
        left, top = (place % across) / across, 1 - (place // across) / down
        axes = figure.add_axes((left, top - 1 / down, 1 / across, 1 / down))
        axes.set(xlim=(-label / _TILE, columns + 0.15 / _TILE), ylim=(rows + 0.2 / _TILE, -head / _TILE))
        axes.set_axis_off()
        axes.text(0.08 / width, 1 - 0.05 / height, "\n".join(_wrapped(block.prompt, width)), transform=axes.transAxes, fontsize=9,
                  fontweight="bold", color=INK, va="top")  # fmt: skip
        _draw_block(axes, block, label / _TILE)
    return figure


def _wrapped(prompt: str, width: float) -> list[str]:
    """A prompt on two lines at most of a block that is `width` inches wide."""
    return textwrap.wrap(prompt, int(width * _LETTERS), max_lines=2, placeholder="…") or [""]


def _draw_block(axes: Axes, block: Block, label: float) -> None:
    for c, budget in enumerate(block.budgets):
        axes.text(c + 0.47, -0.1, budget, fontsize=7.5, color=QUIET, ha="center")
    for r, (method, choices) in enumerate(block.rows):
        name = f"{method.model}\n{method.search}"
        axes.text(-label + 0.1, r + 0.47, name, fontsize=7.5, color=INK, va="center")
        for c, choice in enumerate(choices):
            _draw_tile(axes, c, r, choice)


def _draw_tile(axes: Axes, column: int, row: int, choice: Choice | None) -> None:
    if choice is None or choice.picture is None:
        text = "not run" if choice is None else "none"
        axes.text(column + 0.47, row + 0.47, text, fontsize=7, color=QUIET, ha="center", va="center")
        return
    pixels: np.ndarray = enlarged(choice.picture, _TILE_PX)
    extent = (column + 0.04, column + 0.9, row + 0.9, row + 0.04)
    axes.imshow(pixels, extent=extent, aspect="auto", interpolation="none", zorder=2)
    colour = GRID if choice.right is None else RIGHT if choice.right else WRONG
    if choice.right is not None:
        draw_mark(axes, column + 0.8, row + 0.15, choice.right)
    elif choice.graded:
        draw_grade(axes, column + 0.86, row + 0.14, choice.graded)
    frame = Rectangle((column + 0.04, row + 0.04), 0.86, 0.86, fill=False, edgecolor=colour, linewidth=2, zorder=3)
    axes.add_patch(frame)
