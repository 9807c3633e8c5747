"""What each search chose for the same prompt at growing budgets, with the grader's word: one prompt of each task, or all of one's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
from PIL import Image

from harness.compute import amounts
from harness.config import FILE
from reports import numbers
from reports.grades import VERDICTS
from reports.keys import IDENTITY
from reports.pictures import exists, thumbnail
from reports.summary import Method, Summary
from results.schema import GRADE

MOST_OWN = 12
"""Prompts of a user's own file that are shown."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen picture: `grade` is NaN where it was not graded, `picture` None where nothing was chosen."""

    picture: Image.Image | None
    grade: float
    kind: str
    """Whether the grade says right or wrong or is a score."""
    score: float
    considered: int

    @property
    def right(self) -> bool | None:
        """What the grade says; None where it is a score, or there is none."""
        return None if self.kind != VERDICTS or math.isnan(self.grade) else self.grade == 1

    @property
    def graded(self) -> str:
        """The grade as it is printed where it is a score, else empty."""
        return "" if self.kind == VERDICTS or math.isnan(self.grade) else numbers.score(self.grade)

    @property
    def mark(self) -> str:
        """right, wrong, ungraded, or "grade 0.43", in words."""
        return f"grade {self.graded}" if self.graded else "ungraded" if self.right is None else "right" if self.right else "wrong"

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
        """What all choices have in common, where they do: "every choice is right", "every choice has grade 0.00"."""
        marks = {choice.mark for _, choices in self.rows for choice in choices if choice is not None}
        if len(marks) != 1 or marks == {"ungraded"}:
            return ""
        mark = marks.pop()
        return f"every choice {'is' if mark in ('right', 'wrong') else 'has'} {mark}"


def gallery(summary: Summary) -> tuple[Block, ...]:
    """A block for each task: its first prompt whose choices have not all one grade, else its first prompt.

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
        how = "some right and some wrong" if summary.says_right(GRADE) else "by their grades"
        differ = f"the first on which choices differ, {how}, or where there is none the task’s first"
        which = f"One prompt of each task: {differ}."
    else:
        which = "All prompts." if prompts <= MOST_OWN else f"The first {MOST_OWN} of {prompts} prompts."
    return which if len(seeds) == 1 else f"{which} Of {len(seeds)} seeds the first ({seeds[0]})."


def judgement(summary: Summary) -> str:
    """How the gallery shows what the grader says, in a sentence."""
    if summary.truth != GRADE:
        return "No grader has judged them."
    kinds = {summary.grades.kind(task) for task in summary.tasks}
    if kinds == {VERDICTS}:
        return "Frames and signs: right or wrong by the grader."
    return f"{'Frames and signs: right or wrong by the grader. ' if VERDICTS in kinds else ''}Numbers on pictures: the grader’s score."


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
        cells = {(row.budget_unit, row.budget): _choice(summary, task, row) for row in ours.itertuples()}
        if cells:
            rows.append((method, tuple(cells.get(column) for column in columns)))
    budgets = tuple(amounts.budget(amount, unit) for unit, amount in columns)
    return Block(task, str(choices["prompt"].iloc[0]), budgets, tuple(rows))


def _choice(summary: Summary, task: str, row: Any) -> Choice:
    run, image = int(row.run), str(row.image or "")
    picture = thumbnail(summary.runs, run, image) if exists(summary.runs, run, image) else None
    return Choice(picture, float(row.grade), summary.grades.kind(task), float(row.score), int(row.considered))
