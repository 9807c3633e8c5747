"""What happens to a verifier's score and to the truth as search optimises the score harder: over-optimisation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.compute import amounts
from reports import numbers
from reports.certainty import TOO_FEW, has_intervals
from reports.legend import NARROW, fit_legend, handles
from reports.style import INK, QUIET, looks
from reports.summary import Method, Summary
from reports.tables import Table, filled
from results.schema import GRADE

_BOTH, _FOOLED, _IDLE = "both rise", "score rises, truth falls", "score rises, truth not clearly"
_FLAT, _FALLS, _UNCLEAR = "score does not clearly rise", "score falls", "truth does not clearly change"


class Change(NamedTuple):
    """Mean, low and high end of a difference."""

    mean: float
    low: float
    high: float


def overoptimised_table(summary: Summary) -> Table:
    """Change of the guiding verifier's score and of the truth from the smallest budget to the largest, by method."""
    rows, raw = [], []
    for verifier in summary.runs.verifiers if summary.truth == GRADE else ():
        for method in summary.methods:
            truth = summary.curve(method, verifier, GRADE)
            if len(truth) < 2:
                continue
            budgets = truth["budget"].tolist()
            truths = _truths(summary, method, verifier, budgets)
            first, last, best = budgets[0], budgets[-1], budgets[int(np.argmax(np.nan_to_num(truths, nan=-np.inf)))]
            own, true = (_change(summary, method, verifier, metric, first, last) for metric in (verifier, GRADE))
            since = _change(summary, method, verifier, GRADE, best, last).mean
            verdict = _verdict(own, true)
            rows.append({
                "guided by": verifier, "model": method.model, "search": method.search,
                "budgets": " → ".join(amounts.budget(budget, method.budget_unit) for budget in (first, last)),
                "its score": numbers.difference(*own), summary.metric_name(GRADE): numbers.difference(*true),
                "best budget": amounts.budget(best, method.budget_unit),
                "since then": numbers.difference(since, *[np.nan] * 2),
                "verdict": verdict,
            })  # fmt: skip
            raw.append({
                "verifier": verifier, **method._asdict(), "first_budget": first, "last_budget": last,
                **_columns("score", own), **_columns("truth", true), "best_budget": best, "truth_since_best": since, "verdict": verdict,
            })  # fmt: skip
    paired = "paired by prompt" + (", each with a 95 % interval of its own" if has_intervals(summary) else "")
    caption = (
        "From the smallest budget to the largest: how the score that guided the search changed, and how the "
        f"{summary.metric_phrase(GRADE)} did, {paired}. The score must rise, as it is what is maximised; where the truth falls, "
        "search has found what the verifier likes and the grader does not. Where the truth does not clearly change there may be nothing "
        "left to win, or too few prompts to see it. “Since then” is the truth at the largest "
        "budget against its best: the best of several noisy points, so a small loss is to be expected. An ensemble's ranks are no "
        "score of an image."
    )
    return Table("over-optimisation", "Optimised harder", caption, filled(rows), pd.DataFrame(raw))


def overoptimised_figure(summary: Summary, narrow: bool = False) -> Figure:
    """One panel a guiding verifier, one below the other if narrow: its mean score against the grader's, along budgets."""
    verifiers = shown(summary)
    down, across = (len(verifiers), 1) if narrow else (1, len(verifiers))
    figure = Figure(figsize=(NARROW if narrow else max(6.2, 3.4 * across), 3.7))
    styles = looks(summary)
    for place, verifier in enumerate(verifiers):
        axes = figure.add_subplot(down, across, place + 1, sharey=figure.axes[0] if place else None)
        for method, look in styles.items():
            path = _path(summary, method, verifier)
            if not look.stands_out:
                axes.plot(path["score"], path["truth"], color=look.colour, linewidth=0.9, marker=look.marker, markersize=3.4, zorder=2)
                continue
            shape = {"linestyle": look.line, "marker": look.marker, "markersize": 4.2}
            axes.plot(path["score"], path["truth"], color=look.colour, linewidth=1.5, zorder=3, **shape)
            if len(path):
                axes.plot(path["score"].iloc[-1:], path["truth"].iloc[-1:], color=look.colour, marker="o", markersize=9,
                          markerfacecolor="none", linestyle="none", zorder=4)  # fmt: skip
        axes.set_title("\n".join(textwrap.wrap(verifier, 34, break_on_hyphens=False)), loc="left", color=INK)
        axes.set_xlabel("its own mean score", fontsize=8.5)
        axes.tick_params(labelleft=place % across == 0)
        if place % across == 0:
            axes.set_ylabel(summary.metric_name(GRADE), fontsize=9)
    labels = handles(summary)
    columns, rows = fit_legend(labels, figure.get_figwidth())
    figure.legend(handles=labels, loc="lower left", ncols=columns, frameon=False, fontsize=8, labelcolor=QUIET)
    # Titles, axis labels and the legend keep their inches whatever the number of methods.
    height = 3.2 * down + 0.2 * rows
    figure.set_figheight(height)
    left, bottom = 0.62 / figure.get_figwidth(), (0.6 + 0.2 * rows) / height
    figure.subplots_adjust(left=left, right=0.99, top=1 - 0.45 / height, bottom=bottom, wspace=0.12, hspace=0.45)
    if not has_intervals(summary) and summary.says_right(GRADE):
        figure.axes[0].set_ylim(-0.06, 1.06)
    return figure


def shown(summary: Summary) -> tuple[str, ...]:
    """Verifiers that the figure has a panel for: those that guided under several budgets, and whose score is one of an image."""
    if summary.truth != GRADE:
        return ()
    several = {verifier for (_, verifier), given in summary.given.items() if len(given) > 1}
    return tuple(one for one in summary.runs.verifiers if one in summary.metrics and one in several)


def _path(summary: Summary, method: Method, verifier: str) -> pd.DataFrame:
    path = summary.curve(method, verifier, verifier)[["budget", "mean"]].rename(columns={"mean": "score"})
    return path.assign(truth=_truths(summary, method, verifier, path["budget"])).dropna()


def _truths(summary: Summary, method: Method, verifier: str, budgets: Iterable[float]) -> list[float]:
    """Mean over tasks of the grade of what images there were under each of these budgets."""
    images = [_of_images(summary.values, GRADE, method, verifier, budget) for budget in budgets]
    return [summary.sample.overall(grades.to_numpy(dtype=float))[0] for grades in images]


def _change(summary: Summary, method: Method, verifier: str, metric: str, first: float, last: float) -> Change:
    """Mean over tasks of a metric at the last budget less that at the first, paired by prompt; NaN of an ensemble, which is none."""
    if any((metric, *method, verifier, budget) not in summary.whole.columns for budget in (first, last)):
        return Change(float("nan"), float("nan"), float("nan"))
    before, after = (_of_images(summary.whole, metric, method, verifier, budget) for budget in (first, last))
    return Change(*summary.sample.difference((after - before).to_numpy(dtype=float), summary.ends(metric)))


def _of_images(table: pd.DataFrame, metric: str, method: Method, verifier: str, budget: float) -> pd.Series:
    """Each prompt's value where there was an image: what no search returned cannot have fooled its verifier."""
    column = (*method, verifier, budget)
    own = (verifier, *column)
    return table[metric, *column].where(table[own].notna()) if own in table.columns else table[metric, *column]


def _verdict(own: Change, true: Change) -> str:
    if np.isnan(true.mean):
        return numbers.NOTHING
    scored = not np.isnan(own.mean)
    if np.isnan(true.low) or (scored and np.isnan(own.low)):
        return TOO_FEW
    if scored and not own.low > 0:
        return _FALLS if own.high < 0 else _FLAT
    if true.low > 0:
        return _BOTH if scored else "truth rises"
    if true.high < 0:
        return _FOOLED if scored else "truth falls"
    return _IDLE if scored else _UNCLEAR


def _columns(name: str, change: Change) -> dict[str, float]:
    return {name: change.mean, f"{name}_low": change.low, f"{name}_high": change.high}
