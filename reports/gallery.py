"""What each search chose for the same prompt at growing budgets, marked right or wrong: one prompt of each task, or all of one's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
from PIL import Image

from harness.compute import amounts
from harness.config import FILE
from reports.keys import IDENTITY
from reports.pictures import exists, thumbnail
from reports.summary import Method, Summary
from results.schema import GRADE

MOST_OWN = 12
"""Prompts of a user's own file that are shown."""


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
