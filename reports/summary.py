"""What a report shows: the mean of every metric with its interval, and what was spent, wherever a search was run.

A method is a (model, search, budget unit); a point is a method under one guiding verifier at one budget.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness.assignments import name_of
from harness.compute.ledger import COST_COLUMNS
from reports.grades import VERDICTS, Grades, grades_of
from reports.keys import POINT
from reports.load import Runs
from reports.missing import judged, nothing_returned
from reports.statistics import OVERALL, Sample
from reports.strata import SHARES, Ends, Floats
from results.schema import GRADE, TOTALS

SPENT = list(COST_COLUMNS)
AXES = {"images": "images", "nfe": "NFE", "flops": "FLOPs", "seconds": "seconds"}
"""The ledger columns a curve can be drawn against, with their names in text."""


class Method(NamedTuple):
    """A model with a search, budgeted in one unit."""

    model: str
    search: str
    budget_unit: str


@dataclass(frozen=True)
class Summary:
    """Everything estimated once; figures, tables and sentences read from here."""

    runs: Runs
    points: pd.DataFrame
    """One row per (point, metric, task or `overall`): mean, low, high, prompts, considered, mean spent; of the images
    `asked` for, how many are `unscored`, and for how many there was `nothing` to score."""
    values: pd.DataFrame
    """Rows (task, prompt_id), columns (metric, point): a prompt's mean over seeds; nothing returned is graded as nothing right."""
    whole: pd.DataFrame
    """The same without prompts of which some seed has no score: what differences are taken of, as without its hard seed a prompt
    would count for whoever has no score there."""
    sample: Sample
    grades: Grades = field(default_factory=Grades)

    @cached_property
    def families(self) -> dict[str, str]:
        """Model to family."""
        return dict(self.runs.selections.drop_duplicates("model").set_index("model")["family"])

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """AR before diffusion, then by model, then random before the searches that use feedback."""
        found = self.runs.selections[["model", "search", "budget_unit"]].drop_duplicates()
        methods = (Method(*row) for row in found.itertuples(index=False))
        return tuple(sorted(methods, key=lambda m: (self.families[m.model], m.model, search_rank(m.search), m[2])))

    @cached_property
    def given(self) -> dict[tuple[Method, str], pd.DataFrame]:
        """Method and guiding verifier to the budgets that it was given, ascending, scored or not: `asked` and `nothing` returned."""
        found = self.runs.selections.assign(nothing=nothing_returned(self.runs.selections, self.runs.scores))
        counts = found.groupby(POINT)["nothing"].agg(["size", "sum"]).set_axis(["asked", "nothing"], axis=1).reset_index()
        return {(Method(*map(str, who[:3])), str(who[3])): part for who, part in counts.groupby(POINT[:-1])}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks in the suite's order."""
        return tuple(self.values.index.get_level_values("task").unique())

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Metrics with at least one value, the grader first, then verifiers in the order of the run."""
        valued = self.points.loc[self.points["mean"].notna(), "metric"].unique()
        ordered = dict.fromkeys([GRADE, *self.runs.verifiers, *sorted(valued)])
        # An ensemble's score means nothing outside the pool it was ranked in, so it is no metric of a picture.
        return tuple(name for name in ordered if name in valued and name not in self.runs.rank_verifiers)

    @property
    def truth(self) -> str | None:
        """The metric that answers the question: the grader's verdict, else the first verifier's score, if any."""
        return self.metrics[0] if self.metrics else None

    def ends(self, metric: str) -> Ends:
        """The least and the most that a prompt can score by a metric, of each task [T, 1] where tasks differ.

        Of what has no known ends, such as most verifiers' scores, what was seen.
        """
        return _ends(self.values, metric, self.grades)

    def says_right(self, metric: str, task: str = OVERALL) -> bool:
        """Whether a metric says right or wrong of an image, so that its mean is a share; else it is a score."""
        return metric == GRADE and self.grades.kind(task) == VERDICTS

    def metric_name(self, metric: str, task: str = OVERALL) -> str:
        """A metric in words."""
        if self.says_right(metric, task):
            return "right by the grader"
        return "score by the grader" if metric == GRADE else f"{metric} score"

    def metric_phrase(self, metric: str) -> str:
        """What a metric's mean over all tasks is, in a sentence."""
        return "share of images right by the grader" if self.says_right(metric) else f"mean {self.metric_name(metric)}"

    def scale(self, metric: str, task: str = OVERALL) -> Hashable:
        """What tells the scales of two plots apart: the metric and, where the grader scores tasks differently, the task's ends."""
        return metric, str(self.grades.scores.get(task)) if metric == GRADE and task != OVERALL else ""

    @cached_property
    def axes(self) -> dict[str, str]:
        """Those of AXES that this report shows: images, which are no measure of compute, only where a run was budgeted in them."""
        budgeted = {method.budget_unit for method in self.methods}
        return {unit: name for unit, name in AXES.items() if unit != "images" or unit in budgeted}

    @property
    def first_axis(self) -> str:
        """What the runs were budgeted in: what a reader asked for."""
        return self.methods[0].budget_unit

    def label(self, method: Method, unit: str = "") -> str:
        """ "model + search", with the budget's unit where runs differ in it, unless it is `unit`, which is said beside it."""
        return f"{method.model} + {self.search(method, unit)}"

    def search(self, method: Method, unit: str = "") -> str:
        """A method's search, with the budget's unit as `label` has it."""
        if method.budget_unit == unit or len({m.budget_unit for m in self.methods}) == 1:
            return method.search
        return f"{method.search} (budget in {AXES[method.budget_unit]})"

    def curve(self, method: Method, verifier: str, metric: str, task: str = OVERALL) -> pd.DataFrame:
        """Points of one line, growing budget."""
        found = self._lines.get((*method, verifier, metric, task))
        return self.points.iloc[:0] if found is None else found

    @cached_property
    def _lines(self) -> dict[Any, pd.DataFrame]:
        keys = ["model", "search", "budget_unit", "verifier", "metric", "task"]
        return dict(iter(self.points.sort_values("budget").groupby(keys)))


def is_random(search: str) -> bool:
    """Whether a search, as tables name it, is random search: what the others are measured against."""
    return name_of(search) == "random"


def of_random(rows: pd.DataFrame) -> pd.Series:
    """Which rows of a table are of random search."""
    return rows["search"].map(is_random).astype(bool)


def search_rank(search: str) -> tuple[bool, str]:
    """Sort key that puts random search first."""
    return (not is_random(search), search)


def is_single(points: pd.DataFrame) -> pd.Series:
    """Points that are one image of random search: no search at all."""
    return of_random(points) & (points["considered"] == 1)


def summarise(runs: Runs) -> Summary:
    """Estimate every point of the runs."""
    grades = grades_of(runs)
    scores = judged(runs.scores, runs.selections, grades)
    prompts = runs.selections[["task", "prompt_id"]].drop_duplicates().sort_values("prompt_id", kind="stable")
    order = {task: position for position, task in enumerate(prompts["task"].drop_duplicates())}
    prompts = prompts.sort_values("task", key=lambda column: column.map(order), kind="stable")
    index = pd.MultiIndex.from_frame(prompts)
    of_seeds = scores.groupby(["task", "prompt_id", "metric", *POINT], sort=False)["value"].agg(["mean", "count", "size"])
    all_scored = of_seeds["mean"].where(of_seeds["count"] == of_seeds["size"])
    values, whole = (pd.DataFrame(some.unstack(["metric", *POINT])).reindex(index) for some in (of_seeds["mean"], all_scored))
    sample = Sample(index.get_level_values("task").tolist(), over_prompts=runs.over_prompts)
    points = _estimates(values, sample, grades)
    points = points.merge(_unscored(scores), on=["metric", "task", *POINT], how="left")
    points = points.merge(_spent(runs.selections), on=["task", *POINT], how="left")
    return Summary(runs, points, values, whole, sample, grades)


def _ends(values: pd.DataFrame, metric: str, grades: Grades) -> Ends:
    if metric != GRADE:
        return _seen(values[metric])
    if not grades.scores:
        return SHARES
    each = []
    for task in values.index.unique("task"):
        declared, seen = grades.scores.get(task, SHARES[:2]), _seen(values.loc[[task], metric])
        known = not any(map(math.isnan, declared))
        each.append((*(there if math.isnan(end) else end for end, there in zip(declared, seen[:2], strict=True)), known))
    least_T1, most_T1, known_T1 = (np.array(column)[:, None] for column in zip(*each, strict=True))
    return Ends(least_T1, most_T1, known_T1)


def _seen(values: pd.DataFrame | pd.Series) -> Ends:
    seen = values.to_numpy(dtype=np.float64)
    return Ends(float(np.nanmin(seen, initial=np.inf)), float(np.nanmax(seen, initial=-np.inf)), known=False)


def _estimates(values: pd.DataFrame, sample: Sample, grades: Grades) -> pd.DataFrame:
    columns = values.columns.to_frame(index=False)
    matrix: Floats = values.to_numpy(dtype=np.float64)
    tasks = len(values.index.unique("task"))
    of_metric = {metric: _ends(values, metric, grades) for metric in columns["metric"].unique()}
    ends = zip(*(of_metric[metric] for metric in columns["metric"]), strict=True)
    least_TG, most_TG, known_TG = (np.hstack([np.broadcast_to(end, (tasks, 1)) for end in each]) for each in ends)
    parts = [
        columns.assign(task=task, mean=found.mean_G, low=found.low_G, high=found.high_G, prompts=found.prompts_G)
        for task, found in sample.estimate(matrix, Ends(least_TG, most_TG, known_TG)).items()
    ]
    return pd.concat(parts, ignore_index=True)


def _unscored(scores: pd.DataFrame) -> pd.DataFrame:
    """Images asked for, without a value, and not even returned, by task and over all of them."""
    flagged = scores.assign(unscored=scores["value"].isna(), asked=1)
    return _by_task_and_overall(flagged, ["metric", *POINT], ["unscored", "nothing", "asked"], "sum")


def _spent(selections: pd.DataFrame) -> pd.DataFrame:
    """Mean of all that was run; where tables do not know it, of what was spent up to the last image in time."""
    selections = selections.assign(**{name: selections[TOTALS[name]].fillna(selections[name]) for name in SPENT})
    return _by_task_and_overall(selections, POINT, [*SPENT, "considered"], "mean")


def _by_task_and_overall(table: pd.DataFrame, keys: Sequence[str], columns: list[str], how: str) -> pd.DataFrame:
    # All columns at once: each by itself took ten times as long.
    by_task = table.groupby([*keys, "task"], as_index=False)[columns].agg(how)
    overall = table.groupby(list(keys), as_index=False)[columns].agg(how).assign(task=OVERALL)
    return pd.concat([by_task, overall], ignore_index=True)
