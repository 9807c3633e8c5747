"""What kind the grades of a suite's tasks are: right or wrong, or scores; as the manifests say or, of older runs, as the grades show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from reports.load import Runs
from reports.statistics import OVERALL
from results.schema import GRADE

VERDICTS, SCORES = "verdicts", "scores"


@dataclass(frozen=True, slots=True)
class Grades:
    """The tasks whose grades are scores, each with its least and most, NaN where it has no such end; all others' say right or wrong."""

    scores: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    both: bool = False
    """Whether there are tasks of either kind."""

    def kind(self, task: str = OVERALL) -> str:
        """VERDICTS or SCORES; over all tasks these where any task has them, as a mean that scores are part of is no share."""
        return SCORES if task in self.scores or (task == OVERALL and self.scores) else VERDICTS

    def of_nothing(self, task: str) -> float:
        """What a task's grader gives where there is no image: 0, or the score nearest to it; NaN where there is no least one.

        Nothing is not right, and every published grader of scores gives 0 where it finds nothing of what was asked.
        """
        least, most = self.scores.get(task, (0.0, 1.0))
        return math.nan if math.isnan(least) else max(least, 0.0) if math.isnan(most) else min(max(least, 0.0), most)

    @property
    def nothing_counts(self) -> str:
        """How a prompt without an image counts in the grader's mean, in words."""
        if not self.scores:
            return "counts as wrong"
        left_out = any(math.isnan(self.of_nothing(task)) for task in self.scores)
        return "counts as 0 or the nearest grade there is" + (" (left out where scores have no least)" if left_out else "")


def grades_of(runs: Runs) -> Grades:
    """The kinds of the grades of all tasks of these runs."""
    declared = next((manifest["suite"]["scores"] for manifest in runs.manifests if "scores" in manifest["suite"]), None)
    tasks = runs.selections["task"].unique()
    if declared is None:
        declared = dict.fromkeys(_neither_right_nor_wrong(runs), (None, None))
    scores = {task: _ends(declared[task]) for task in tasks if task in declared}
    return Grades(scores, both=0 < len(scores) < len(tasks))


def _ends(declared: Sequence[float | None]) -> tuple[float, float]:
    least, most = (math.nan if end is None else float(end) for end in declared)
    return least, most


def _neither_right_nor_wrong(runs: Runs) -> list[str]:
    """Tasks with a grade that is neither 0 nor 1, whoever's image it is of."""
    graded = runs.scores[runs.scores["metric"] == GRADE]
    between = graded[_between(graded["value"])]
    prompts = runs.candidates.loc[_between(runs.candidates["truth"]), "prompt_id"].unique()
    of_prompts = runs.selections.loc[runs.selections["prompt_id"].isin(prompts), "task"]
    return list(dict.fromkeys([*between["task"], *of_prompts]))


def _between(grades: pd.Series) -> pd.Series:
    return grades.notna() & ~grades.isin((0, 1))
