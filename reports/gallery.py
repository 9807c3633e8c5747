"""What each search chose for the same prompt at growing budgets, marked right or wrong: one prompt of each task, or all of one's own."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from harness.compute import amounts
from harness.config import FILE
from reports.keys import IDENTITY
from reports.pictures import enlarged, exists, thumbnail
from reports.style import GRID, INK, QUIET, RIGHT, WRONG, draw_mark
from reports.summary import Method, Summary
from results.schema import GRADE

MOST_OWN = 12
"""Prompts of a user's own file that are shown."""
_TILE_PX = 128
_NAME, _LETTERS = 0.066, 11
"""Inches of a letter of a method's name, and letters of a prompt in an inch, at their sizes and weights."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen picture: `right` is None where it was not graded, `picture` None where nothing was chosen."""

    picture: Image.Image | None
    right: bool | None
    score: float
    considered: int

    @property
    def mark(self) -> str:
        """right, wrong or ungraded, in words."""
        return "ungraded" if self.right is None else "right" if self.right else "wrong"

    @property
    def written(self) -> str:
        """The verifier's score as it is printed."""
        return "unscored" if math.isnan(self.score) else f"{self.score:.2f}".replace("-", "−")


GalleryRow = tuple[Method, tuple[Choice | None, ...]]


@dataclass(frozen=True, slots=True)
class Block:
    """One prompt: a row a method, a column a budget; None where the method did not run that budget."""

    task: str
    prompt: str
    budgets: tuple[str, ...]
    rows: tuple[GalleryRow, ...]
    """A search that was given budgets in several units has one row for all of them."""

    @property
    def remark(self) -> str:
        """What all choices have in common, where they do: "every choice is right"."""
        marks = {choice.mark for _, choices in self.rows for choice in choices if choice is not None}
        return f"every choice is {marks.pop()}" if len(marks) == 1 and marks != {"ungraded"} else ""


def gallery(summary: Summary) -> tuple[Block, ...]:
    """A block for each task: its first prompt whose choices are not all right and not all wrong, else its first prompt.

    Of a user's own file: a block for each prompt, up to MOST_OWN.
    """
    chosen = _graded_selections(summary)
    mixed = chosen.groupby(["task", "prompt_id"])["grade"].agg(lambda grade: grade.nunique() > 1)
    every = list(summary.values.index)
    picks = every[:MOST_OWN]
    if not _own(summary):
        by_task = [[index for index in every if index[0] == task] for task in summary.tasks]
        picks = [next((index for index in of_task if mixed.get(index, False)), of_task[0]) for of_task in by_task]
    return tuple(_block(summary, task, chosen[(chosen["task"] == task) & (chosen["prompt_id"] == name)]) for task, name in picks)


def shown(summary: Summary) -> str:
    """Which prompts and which seed the gallery is of, in sentences."""
    prompts, seeds = len(summary.values), sorted(summary.runs.selections["seed"].unique())
    if not _own(summary):
        differ = "the first on which choices differ, some right and some wrong, or where there is none the task’s first"
        which = f"One prompt of each task: {differ}."
    else:
        which = "All prompts." if prompts <= MOST_OWN else f"The first {MOST_OWN} of {prompts} prompts."
    return which if len(seeds) == 1 else f"{which} Of {len(seeds)} seeds the first ({seeds[0]})."


def _own(summary: Summary) -> bool:
    """Whether the prompts are of a file of the user's, where the pictures are the result."""
    return str(summary.runs.manifests[0]["configuration"]["suite"]) == FILE


def _graded_selections(summary: Summary) -> pd.DataFrame:
    """Selections of the first verifier and the first seed, with the grade of each."""
    runs = summary.runs
    selections = runs.selections[runs.selections["verifier"] == runs.verifiers[0]]
    selections = selections[selections["seed"] == selections["seed"].min()]
    grades = runs.scores[runs.scores["metric"] == GRADE][[*IDENTITY, "value"]].rename(columns={"value": "grade"})
    return selections.merge(grades, on=IDENTITY, how="left")


def _block(summary: Summary, task: str, choices: pd.DataFrame) -> Block:
    columns = sorted(set(zip(choices["budget_unit"], choices["budget"], strict=True)))
    rows = []
    for method in {method[:2]: method for method in summary.methods}.values():
        ours = choices[(choices["model"] == method.model) & (choices["search"] == method.search)]
        cells = {(row.budget_unit, row.budget): _choice(summary, row) for row in ours.itertuples()}
        if cells:
            rows.append((method, tuple(cells.get(column) for column in columns)))
    budgets = tuple(amounts.budget(amount, unit) for unit, amount in columns)
    return Block(task, str(choices["prompt"].iloc[0]), budgets, tuple(rows))


def _choice(summary: Summary, row: Any) -> Choice:
    run, image, grade = int(row.run), str(row.image or ""), float(row.grade)
    picture = thumbnail(summary.runs, run, image) if exists(summary.runs, run, image) else None
    right = None if math.isnan(grade) else grade > 0.5
    return Choice(picture, right, float(row.score), int(row.considered))


def gallery_figure(blocks: tuple[Block, ...]) -> Figure:
    """All blocks as one picture, two beside each other: ticks are right, crosses wrong by the grader."""
    across = min(2, len(blocks))
    rows, columns = max(len(block.rows) for block in blocks), max(len(block.budgets) for block in blocks)
    letters = max(len(name) for block in blocks for method, _ in block.rows for name in method[:2])
    tile, label = 0.78, 0.25 + _NAME * letters
    width = label + columns * tile + 0.15
    prompts = [_wrapped(block.prompt, width) for block in blocks]
    head = 0.47 + 0.15 * max(len(lines) for lines in prompts)
    height = head + rows * tile + 0.2
    down = -(-len(blocks) // across)
    figure = Figure(figsize=(across * width, down * height))
    for place, block in enumerate(blocks):
        left, top = (place % across) / across, 1 - (place // across) / down
        axes = figure.add_axes((left, top - 1 / down, 1 / across, 1 / down))
        axes.set(xlim=(-label / tile, columns + 0.15 / tile), ylim=(rows + 0.2 / tile, -head / tile))
        axes.set_axis_off()
        axes.text(0.08 / width, 1 - 0.05 / height, "\n".join(prompts[place]), transform=axes.transAxes, fontsize=9, fontweight="bold",
                  color=INK, va="top")  # fmt: skip
        _draw_block(axes, block, label / tile)
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
    frame = Rectangle((column + 0.04, row + 0.04), 0.86, 0.86, fill=False, edgecolor=colour, linewidth=2, zorder=3)
    axes.add_patch(frame)
