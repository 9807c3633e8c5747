"""GenEval's figures from graded images: one score a task, and their unweighted mean."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from suites.base import Grade, Prompt
from suites.geneval.wording import TAGS


@dataclass(frozen=True)
class Summary:
    """Fractions of correct images; NaN where nothing was graded, so that a missing task cannot pass for a score."""

    tasks: Mapping[str, float]
    """Per task, in GenEval's order: correct images / graded images, over all its prompts."""
    overall: float
    """Unweighted mean of the six task scores; NaN when one of them is."""
    graded: int
    ungraded: int
    """Images whose grade is NaN; they enter no score."""


def summarize(grades: Sequence[Grade], prompts: Sequence[Prompt]) -> Summary:
    """Summarise the grade of image n for prompt n; a prompt with several images is listed once for each.

    Raises:
        ValueError: the lists differ in length, or a prompt's task is not one of GenEval's six.
    """
    if len(grades) != len(prompts):
        raise ValueError(f"{len(grades)} grades for {len(prompts)} prompts: give one prompt per graded image")
    values: dict[str, list[float]] = {tag: [] for tag in TAGS}
    for grade, prompt in zip(grades, prompts, strict=True):
        if prompt.task not in values:
            raise ValueError(f"prompt {prompt.id} has task {prompt.task!r}: GenEval's are {', '.join(TAGS)}")
        if not math.isnan(grade.value):
            values[prompt.task].append(grade.value)
    tasks = {tag: sum(found) / len(found) if found else math.nan for tag, found in values.items()}
    graded = sum(len(found) for found in values.values())
    return Summary(tasks, sum(tasks.values()) / len(tasks), graded, len(grades) - graded)
