"""What papers print of a run's suite and models, beside what the run measured; nothing of the shapes world is put beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.assignments import name_of
from harness.compute import amounts
from reports import numbers
from reports.statistics import OVERALL
from reports.summary import Method, Summary
from reports.tables import Row, Table, filled
from results.papers import EVIDENCE, GAIN, budget_text, read_papers, sources
from results.schema import GRADE

NAME, TITLE = "published", "Printed in papers"
HERE, MEASURED = "this run", "measured"
_PLACE = ["model", "paper", "where", "search", "verifier", "budget", "budget_unit", "evidence"]
"""What printed numbers of one row have in common."""
_RAW = ["paper", "where", "suite", "metric", "task", "model", "search", "verifier", "budget", "budget_unit", "value", "evidence",
        "source", "note"]  # fmt: skip
_CAPTION = (
    "No comparison: this run and each paper differ in budgets, verifiers, seeds, images a prompt, settings and, often, in the "
    "grader (docs/graders.md); NFE is counted as each paper does. Rows of this run: every method at its smallest and its largest "
    "budget, with 95 % intervals where it has them. Searches and budgets of papers are in their own "
    "words (N: the method's own number); a dash says that the source does not name it. Evidence: {evidence}."
)
_CLIP = " CLIPScore is on the paper's scale; clip-score here is a raw cosine and is not put beside it."


def published_table(summary: Summary) -> Table:
    """One row for each place that prints something of the run's suite and models, after those of the run itself."""
    rows = _printed(summary)
    if rows.empty:
        return Table(NAME, TITLE, "", (), pd.DataFrame(columns=_RAW))
    columns = {key: _label(*key) for key in _columns(summary, rows)}
    shown, raw = [], [rows[_RAW]]
    for model in rows["model"].unique():
        for method in (method for method in summary.methods if _base(summary, method.model) == model):
            for point in _ends(summary, method):
                shown.append(_measured(point, columns))
                raw.append(_tidy(point, columns))
        for place, part in rows[rows["model"] == model].groupby(_PLACE, sort=False, dropna=False):
            shown.append(_row(dict(zip(_PLACE, place, strict=True)), part, columns))
    known = [f"{name}, {meaning}" for name, meaning in EVIDENCE.items() if name in set(rows["evidence"])]
    caption = _CAPTION.format(evidence="; ".join(known)) + (_CLIP if ("CLIPScore", OVERALL) in columns else "")
    return Table(NAME, TITLE, caption, filled(shown), pd.concat(raw, ignore_index=True), tuple(sources(rows)))


def _printed(summary: Summary) -> pd.DataFrame:
    """Printed scores of the suite and of the models, in the models' order; none for a run that is not of photographs."""
    rows = read_papers()
    order = list(dict.fromkeys(_base(summary, method.model) for method in summary.methods))
    ours = (rows["suite"] == summary.runs.suite) & rows["model"].isin(order) & (rows["metric"] != GAIN)
    if summary.runs.domain != "photo":
        return rows[:0]
    return rows[ours].sort_values("model", key=lambda names: names.map(order.index), kind="stable")


def _base(summary: Summary, model: str) -> str:
    """The model's name without settings; "" for a pair, of which no paper prints anything."""
    return "" if summary.families[model] == "pair" else name_of(model)


def _columns(summary: Summary, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """(metric, task) of everything printed: the grader first, overall before tasks in the suite's order."""
    tasks = [OVERALL, *summary.tasks]
    found = list(rows[["metric", "task"]].drop_duplicates().itertuples(index=False, name=None))
    return sorted(found, key=lambda key: (key[0] != GRADE, tasks.index(key[1]) if key[1] in tasks else len(tasks)))


def _label(metric: str, task: str) -> str:
    text = task.replace("_", " ")
    return text if metric == GRADE else metric if task == OVERALL else f"{metric}, {text}"


def _ends(summary: Summary, method: Method) -> list[pd.DataFrame]:
    """Points of a method under each guiding verifier at its smallest and its largest budget, all metrics and tasks."""
    points = summary.points
    for name, value in method._asdict().items():
        points = points[points[name] == value]
    ends = []
    for _, part in points.groupby("verifier", sort=False):
        budgets = sorted({part["budget"].min(), part["budget"].max()})
        ends += [part[part["budget"] == budget] for budget in budgets]
    return ends


def _measured(point: pd.DataFrame, columns: Mapping[tuple[str, str], str]) -> Row:
    first = point.iloc[0]
    budget = amounts.budget(float(first["budget"]), str(first["budget_unit"]))
    row: Row = {"model": name_of(first["model"]), "from": HERE, "search": first["search"], "guided by": first["verifier"], "budget": budget}
    if first["model"] != row["model"]:
        row["from"] = f"{HERE}: {first['model']}"
    by_key = {(str(cell["metric"]), str(cell["task"])): cell for cell in point.to_dict("records")}
    for key, label in columns.items():
        row[label] = numbers.score(*(by_key[key][name] for name in ("mean", "low", "high"))) if key in by_key else numbers.NOTHING
    return row | {"evidence": MEASURED}


def _tidy(point: pd.DataFrame, columns: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """The run's own cells as rows of the CSV file."""
    keys = pd.MultiIndex.from_frame(point[["metric", "task"]])
    kept = point[keys.isin(list(columns))].rename(columns={"mean": "value"})
    return kept.assign(where=HERE, evidence=MEASURED).reindex(columns=_RAW)


def _row(place: Mapping[str, Any], part: pd.DataFrame, columns: Mapping[tuple[str, str], str]) -> Row:
    cells = {(cell["metric"], cell["task"]): cell["printed"] for cell in part.to_dict("records")}
    return {
        "model": place["model"], "from": f"{place['paper']}, {place['where']}", "search": place["search"],
        "guided by": place["verifier"] or numbers.NOTHING, "budget": budget_text(place["budget"], place["budget_unit"]) or numbers.NOTHING,
        **{label: cells.get(key, numbers.NOTHING) for key, label in columns.items()}, "evidence": place["evidence"],
    }  # fmt: skip
