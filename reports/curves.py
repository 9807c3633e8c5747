"""Score against compute: a line a method, bands of 95 % intervals over prompts, x the mean really spent per prompt."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.certainty import has_intervals
from reports.legend import fit_legend, handles, single_handle
from reports.statistics import OVERALL
from reports.style import QUIET, SURFACE, Look, log_axis, looks, quiet_axes
from reports.summary import AXES, Method, Summary, is_single, metric_name
from results.schema import GRADE

AXIS_LABELS = {
    "nfe": "NFE per prompt (transformer passes)",
    "flops": "FLOPs per prompt (model, decoder, text, verifier)",
    "seconds": "seconds per prompt (verification included)",
}
_LEFT, _RIGHT, _BOTTOM, _TITLE, _GAP = 0.72, 0.18, 0.56, 0.34, 0.34
"""Margins and gaps of a figure in inches."""
_NARROW = (3.9, 2.6)
"""Of a plot on a narrow screen, where each has its own row."""
_SHARE = (-0.06, 1.06)
"""Range of a share of images, with room for whole markers."""
_MARKER, _RIM = 5.4, 3.2
"""Size of a marker in points, and what it grows by for each that lies upon it."""
_LETTERS = 11.5
"""Letters of a title in an inch, at its size and weight."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One small plot: which unit, guiding verifier, metric and task it shows, and its heading."""

    title: str
    unit: str
    verifier: str
    metric: str
    task: str = OVERALL


def main_figure(summary: Summary, verifier: str, narrow: bool = False) -> Figure:
    """The truth against every unit, guided by one verifier: side by side, or stacked for a narrow screen."""
    metric = str(summary.truth)
    panels = [Panel(f"by {name}", unit, verifier, metric) for unit, name in AXES.items()]
    if narrow:
        return _figure(summary, _rows_of(panels, 1), _NARROW)
    return _figure(summary, [panels], (3.35, 2.95))


def task_figure(summary: Summary, verifier: str, unit: str, narrow: bool = False) -> Figure:
    """The truth per task against one unit, guided by one verifier."""
    metric = str(summary.truth)
    panels = [Panel(task.replace("_", " "), unit, verifier, metric, task) for task in summary.tasks]
    return _figure(summary, _rows_of(panels, 1), _NARROW) if narrow else _figure(summary, _rows_of(panels, 3), (3.35, 2.2))


def verifier_figure(summary: Summary, unit: str, narrow: bool = False) -> Figure:
    """Every metric (rows) under every guiding verifier (columns) against one unit: gains by one's own judge and by others."""
    verifiers = summary.runs.verifiers
    if len(verifiers) == 1:
        titles = {metric: "the grader" if metric == GRADE else metric for metric in summary.metrics}
        panels = [Panel(f"judged by {name}", unit, verifiers[0], metric) for metric, name in titles.items()]
        return _figure(summary, _rows_of(panels, 1), _NARROW) if narrow else _figure(summary, _rows_of(panels, 3), (3.35, 2.6))
    rows = [[Panel(f"guided by {name}", unit, name, metric) for name in verifiers] for metric in summary.metrics]
    if narrow:
        return _figure(summary, [[panel] for row in rows for panel in row], _NARROW)
    width = {2: 4.2, 3: 3.35}.get(len(rows[0]), 2.75)
    return _figure(summary, rows, (width, 2.0))


def _rows_of(panels: Sequence[Panel], width: int) -> list[list[Panel]]:
    """Panels in rows of at most this many, all as full as they can be: four in two rows of two, not in three and one."""
    width = -(-len(panels) // -(-len(panels) // width))
    return [list(panels[start : start + width]) for start in range(0, len(panels), width)]


def _figure(summary: Summary, rows: Sequence[Sequence[Panel]], size: tuple[float, float]) -> Figure:
    """Lay panels out on a grid of equal cells (`size`: width and height in inches) under one legend."""
    columns = max(len(row) for row in rows)
    # Neighbours of different metrics have their own y axes, which need room for numbers.
    gap = _GAP if all(panel.metric == row[0].metric for row in rows for panel in row) else _LEFT
    width = _LEFT + columns * size[0] + (columns - 1) * gap + _RIGHT
    keys = [*handles(summary), *single_handle(summary)]
    beside, lines = fit_legend(keys, width)
    legend = 0.1 + 0.2 * lines
    titles = _TITLE + 0.16 * (max(-(-len(panel.title) // int(size[0] * _LETTERS)) for row in rows for panel in row) - 1)
    pitch = size[1] + titles + (_BOTTOM if rows[0][0].unit != rows[-1][0].unit else 0.3)
    height = legend + titles + size[1] + (len(rows) - 1) * pitch + _BOTTOM
    figure = Figure(figsize=(width, height))
    figure.legend(
        handles=keys, loc="upper left", ncols=beside, frameon=False, fontsize=8.5, handlelength=3.2, columnspacing=1.6,
        bbox_to_anchor=(0.1 / width, 1 - 0.04 / height), borderaxespad=0, labelspacing=0.35,
    )  # fmt: skip
    styles = looks(summary)
    drawn: list[tuple[Panel, Axes]] = []
    for r, row in enumerate(rows):
        for c, panel in enumerate(row):
            left, bottom = _LEFT + c * (size[0] + gap), height - legend - titles - size[1] - r * pitch
            axes = figure.add_axes((left / width, bottom / height, size[0] / width, size[1] / height))
            _draw(axes, summary, panel, styles)
            below = rows[r + 1][c] if r + 1 < len(rows) and c < len(rows[r + 1]) else None
            _write_labels(axes, panel, below, first=c == 0 or row[c - 1].metric != panel.metric, width=size[0])
            drawn.append((panel, axes))
    _share_y(drawn, whole=rows[0][0].task != OVERALL or not has_intervals(summary))
    return figure


def _write_labels(axes: Axes, panel: Panel, below: Panel | None, first: bool, width: float) -> None:
    # A given height spares matplotlib the search for a free one, a third of the drawing time.
    title = "\n".join(textwrap.wrap(panel.title, int(width * _LETTERS)))
    axes.set_title(title, loc="left", y=1.03)
    if below is None or below.unit != panel.unit:
        axes.set_xlabel(AXIS_LABELS[panel.unit], fontsize=8.5)
    if first:
        axes.set_ylabel(metric_name(panel.metric), fontsize=9)
    else:
        axes.tick_params(labelleft=False)


def _draw(axes: Axes, summary: Summary, panel: Panel, styles: dict[Method, Look]) -> None:
    quiet_axes(axes)
    curves: dict[Method, pd.DataFrame] = {}
    for method in styles:
        curve = summary.curve(method, panel.verifier, panel.metric, panel.task).sort_values(panel.unit)
        curve = curve[curve["mean"].notna() & (curve[panel.unit] > 0)]
        if not curve.empty:
            curves[method] = curve
    if not curves:
        axes.text(0.5, 0.5, "no score", transform=axes.transAxes, ha="center", va="center", color=QUIET)
        axes.set_xticks([])
        return
    points = {method: list(zip(curve[panel.unit], curve["mean"], strict=True)) for method, curve in curves.items()}
    spent, means = zip(*(point for each in points.values() for point in each), strict=True)
    log_axis(axes, min(spent), max(spent))
    for place, (method, curve) in enumerate(curves.items()):
        look, x, mean = styles[method], curve[panel.unit].to_numpy(), curve["mean"].to_numpy()
        if len(x) > 1:
            axes.fill_between(x, curve["low"], curve["high"], color=look.colour, alpha=0.09, linewidth=0)
            for end in ("low", "high"):  # bands that lie upon one another are told apart by their edges
                axes.plot(x, curve[end], color=look.colour, alpha=0.4, linewidth=0.6, linestyle=look.line)
        else:
            bars = np.vstack([mean - curve["low"], curve["high"] - mean])
            axes.errorbar(x, mean, yerr=bars, color=look.colour, capsize=3, linewidth=1.2)
        line: dict[str, Any] = {
            "color": look.colour, "marker": look.marker, "markeredgecolor": SURFACE, "markeredgewidth": 0.7, "zorder": 3 + place / 100,
        }  # fmt: skip
        axes.plot(x, mean, linewidth=1.7, linestyle=look.line, markersize=_MARKER, **line)
        over = [point for other in list(points.values())[place + 1 :] for point in other]
        for point in points[method]:
            above = sum(_upon(point, other, (min(means), max(means))) for other in over)
            if above:
                axes.plot(*point, markersize=_MARKER + _RIM * above, **line)
        single = curve[is_single(curve)]
        if not single.empty:
            axes.plot(
                single[panel.unit], single["mean"], linestyle="none", marker="o", markersize=8.5, markerfacecolor=SURFACE,
                markeredgecolor=look.colour, markeredgewidth=1.8, zorder=5,
            )  # fmt: skip
    if len(means) > 2 and max(means) - min(means) < 1e-9:
        # Lines upon lines: which is which cannot be seen, that they agree can be said.
        axes.text(0.5, 0.5, f"every method at every budget: {means[0]:.2f}", transform=axes.transAxes, ha="center", va="center",
                  color=QUIET, fontsize=8.5)  # fmt: skip


def _upon(point: tuple[float, float], other: tuple[float, float], range_: tuple[float, float]) -> bool:
    """Whether two points would hide one another: each method's then has a rim around those above it."""
    low, high = range_
    return abs(math.log(point[0] / other[0])) < 0.02 and abs(point[1] - other[1]) <= 0.01 * (high - low)


def _share_y(drawn: Sequence[tuple[Panel, Axes]], whole: bool) -> None:
    """One y range for all panels of a metric; a share of right images stays within 0 and 1, with `whole` it spans them.

    Enlarging a part of that range without bands to measure it by would make noise look like a finding.
    """
    for metric in {panel.metric for panel, _ in drawn}:
        group = [axes for panel, axes in drawn if panel.metric == metric]
        limits = [axes.get_ylim() for axes in group if axes.lines]
        if not limits:
            continue
        low, high = min(low for low, _ in limits), max(high for _, high in limits)
        # Each panel has left room for its own markers only.
        low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
        if metric == GRADE:
            low, high = _SHARE if whole else (max(low, _SHARE[0]), min(high, _SHARE[1]))
        for axes in group:
            axes.set_ylim(low, high)
