"""The report's tables: raw numbers for CSV, and the same rows as text for Markdown, LaTeX and the page."""

from __future__ import annotations

import html
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from harness import markdown
from harness.compute import amounts
from reports import numbers
from reports.certainty import has_intervals, too_few
from reports.deadlines import after_deadline
from reports.devices import differ
from reports.keys import POINT
from reports.latex import tabular
from reports.missing import judged
from reports.overlap import TOO_NARROW, moves_budget
from reports.statistics import OVERALL
from reports.summary import SPENT, Summary
from results.schema import GRADE

Row = dict[str, Any]
_WORDS = ("model", "search", "verifier", "guided by", "unit", "compared", "compared at", "verdict", "why", "from", "evidence", "grades")
"""Columns set flush left; the others hold numbers."""
_NAMES = ("model", "search", "verifier", "guided by", "compared")
"""Columns of names, which stay on one line."""
_COUNTED = {"nfe": "NFE", "forwards": "sequences", "images": "images", "verifier_calls": "calls"}
_PARTS = {"model_flops": "model", "decode_flops": "decoder", "text_flops": "text", "verifier_flops": "verifier"}
"""Columns of the ledger as heads of the page's: counts, and parts of all FLOPs."""
NOTHING_RETURNED = "nothing returned"
"""Head of the column that says for how many prompts a search had no image, where there are such."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: `rows` are text by column for reading, `frame` the raw numbers for the CSV file `name`."""

    name: str
    title: str
    caption: str
    rows: tuple[dict[str, str], ...]
    frame: pd.DataFrame
    links: tuple[tuple[str, str], ...] = ()
    """Texts with the addresses that they stand for, set beneath the table."""

    GROUPED: ClassVar[str] = "compared at"
    """A first column of this name is the head of a group of rows on the page, not a cell of each."""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.rows[0]) if self.rows else ()

    def is_words(self, column: str) -> bool:
        """Whether a column is set flush left."""
        return column in _WORDS

    def is_name(self, column: str) -> bool:
        """Whether a column holds names, which are not broken."""
        return column in _NAMES

    def classes(self, column: str, cell: str) -> str:
        """How the page sets a cell: `w` flush left, `name` never broken, `broken` at spaces where there is no room."""
        broken = column in ("verdict", "why") or "[" in cell
        return " ".join(name for name, holds in (("w", self.is_words(column)), ("name", self.is_name(column)), ("broken", broken)) if holds)

    def group(self, row: dict[str, str]) -> tuple[str, ...]:
        """What a row has in common with those that it stands together with."""
        return tuple(row[column] for column in self.columns[: 1 if self.columns[0] == self.GROUPED else 2])

    def markdown(self) -> str:
        """The table in GitHub's Markdown, cells escaped."""
        right = [escape_markdown(column) for column in self.columns if not self.is_words(column)]
        rows = ([escape_markdown(row[column]) for column in self.columns] for row in self.rows)
        body = markdown.table([escape_markdown(column) for column in self.columns], rows, right)
        links = "\n".join(f"* {escape_markdown(text)}: <{address}>" for text, address in self.links)
        return f"{escape_markdown(self.caption)}\n\n{body}\n" + (f"\n{links}\n" if links else "")

    def write(self, folder: Path) -> None:
        """Write the raw numbers as `name`.csv and the rows as `name`.tex, where there are any."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.rows:
            self.frame.to_csv(folder / f"{self.name}.csv", index=False)
            (folder / f"{self.name}.tex").write_text(tabular(self.rows, self.is_words), encoding="utf-8")


def escape_markdown(text: str) -> str:
    """Text that stays text in Markdown: no markup, no HTML, no line or cell break."""
    text = " ".join(html.escape(text, quote=False).split())
    return "".join("\\" + letter if letter in "\\`*_[]|" else letter for letter in text)


def filled(rows: Sequence[Row]) -> tuple[dict[str, str], ...]:
    """Rows as text with every column that any of them has."""
    columns = dict.fromkeys(column for row in rows for column in row)
    return tuple({column: str(row.get(column, numbers.NOTHING)) for column in columns} for row in rows)


def results_table(summary: Summary, verifier: str, name: str) -> Table:
    """The truth by search and budget, overall and per task, under one guiding verifier."""
    metric = str(summary.truth)
    rows: list[Row] = []
    frames: list[pd.DataFrame] = []
    gaps, missed = (summary.points.loc[summary.points["metric"] == metric, column].any() for column in ("unscored", "nothing"))
    for method in summary.methods:
        lines = {task: summary.curve(method, verifier, metric, task) for task in (OVERALL, *summary.tasks)}
        frames += lines.values()
        of_task = {task: {cell["budget"]: cell for cell in lines[task].to_dict("records")} for task in summary.tasks}
        for point in lines[OVERALL].to_dict("records"):
            row = _who(point) | {OVERALL: numbers.score(point["mean"], point["low"], point["high"])}
            for task, cells in of_task.items():
                if cell := cells.get(point["budget"]):
                    row[task.replace("_", " ")] = numbers.score(cell["mean"], cell["low"], cell["high"])
            row["prompts"] = numbers.part(point["prompts"], len(summary.values))
            row |= {NOTHING_RETURNED: numbers.part(point["nothing"], point["asked"])} if missed else {}
            rows.append(row | ({"unscored": f"{point['unscored']:.0f}"} if gaps else {}))
    overall = "mean over the prompts" if summary.runs.over_prompts else "unweighted mean of the task means"
    caption = f"{summary.metric_phrase(metric).capitalize()}, searches guided by {verifier}. Overall: {overall}"
    caption += " with its 95 % interval over prompts." if has_intervals(summary) else f"; no interval, as {too_few(summary)}."
    moved = moves_budget(method.search for method in summary.methods)
    if moved and has_intervals(summary):
        caption += f" {TOO_NARROW}"
    if moved and len(summary.tasks) > 1:
        caption += " adaptive keeps a budget on average over all prompts: in one task it may spend more than that, in another less."
    if missed:
        wrong = "is not right and " if summary.says_right(metric) else ""
        counts = f"which {wrong}{summary.grades.nothing_counts}" if metric == GRADE else "so no score"
        caption += f" “{NOTHING_RETURNED.capitalize()}”: no image within the budget, {counts}."
    if gaps:
        caption += f" Unscored: images without a score, left out of the means ({_reasons(summary, metric)})."
    columns = [*POINT, "metric", "task", "mean", "low", "high", "prompts", "unscored", "nothing", "considered"]
    return Table(name, f"Results, guided by {verifier}", caption, filled(rows), pd.concat(frames)[columns])


def _reasons(summary: Summary, metric: str) -> str:
    """Why scores are missing, the most frequent reasons first."""
    scores = summary.runs.scores
    unscored = (scores["metric"] == metric) & judged(scores, summary.runs.selections, summary.grades)["value"].isna()
    missing = scores.loc[unscored, "reason"]
    return "; ".join(str(reason) or "no reason given" for reason in missing.value_counts().head(3).index)


def spent_table(summary: Summary, verifier: str, name: str) -> Table:
    """What the ledger says, mean per prompt: totals, and their parts as shares; the CSV has every column of it."""
    curves = [summary.curve(method, verifier, str(summary.truth)) for method in summary.methods]
    frame = pd.concat(curves)[[*POINT, "considered", *SPENT]].reset_index(drop=True)
    frame["verifier_flops_share"] = frame["verifier_flops"] / frame["flops"]
    frame["verifier_seconds_share"] = frame["verifier_seconds"] / frame["seconds"]
    rows, late = [], after_deadline(summary)
    flop, second = (amounts.Scale.of(frame[column], column) for column in ("flops", "seconds"))
    for point in frame.to_dict("records"):
        rows.append({
            **_who(point), **{name: amounts.amount(point[column], column) for column, name in _COUNTED.items()},
            flop.unit: flop.written(point["flops"]),
            **{f"{name} FLOPs": numbers.share(numbers.quotient(point[column], point["flops"])) for column, name in _PARTS.items()},
            second.unit: second.written(point["seconds"]), "verifier time": numbers.share(point["verifier_seconds_share"]),
            **late({str(name): value for name, value in point.items()}),
        })  # fmt: skip
    caption = (
        f"Mean per prompt, searches guided by {verifier}. Images: finished and scored; calls: images given to the verifier, previews "
        "included; sequences: what really went through the transformer. FLOPs count 2 per multiply-add; their parts are shares of all, "
        "and so is the verifier's time."
    )
    caption = " ".join(filter(None, [caption, differ(summary)]))
    return Table(name, f"Spent, guided by {verifier}", caption, filled(rows), frame)


def _who(point: dict[Hashable, Any]) -> Row:
    budget = amounts.budget(float(point["budget"]), str(point["budget_unit"]))
    return {"model": point["model"], "search": point["search"], "budget": budget}
