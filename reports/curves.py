"""Score against compute: a line a method, bands of 95 % intervals over prompts, x the mean really spent per prompt."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.certainty import has_intervals
from reports.crowd import crowd_figure
from reports.emphasis import crowded
from reports.legend import draw_legend, fit_legend, handles, single_handle
from reports.panels import AXIS_LABELS, Panel, draw, share_x, share_y
from reports.statistics import OVERALL
from reports.style import looks
from reports.summary import Summary, metric_name
from results.schema import GRADE

_LEFT, _RIGHT, _BOTTOM, _TITLE, _GAP = 0.72, 0.18, 0.56, 0.34, 0.34
"""Margins and gaps of a figure in inches."""
_NARROW = (3.9, 2.6)
"""Of a plot on a narrow screen, where each has its own row."""
_LETTERS = 11.5
"""Letters of a title in an inch, at its size and weight."""


def main_figure(summary: Summary, verifier: str, narrow: bool = False) -> Figure:
    """The truth against every unit, guided by one verifier: side by side, or stacked for a narrow screen; of many methods a row a model."""
    if crowded(summary):
        return crowd_figure(summary, verifier, narrow)
    metric = str(summary.truth)
    panels = [Panel(f"by {name}", unit, verifier, metric) for unit, name in summary.axes.items()]
    if narrow:
        return _figure(summary, _rows_of(panels, 1), _NARROW)
    return _figure(summary, _rows_of(panels, 3), (3.35, 2.95))


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
    draw_legend(figure, keys, beside)
    styles = looks(summary)
    drawn: list[tuple[Panel, Axes]] = []
    for r, row in enumerate(rows):
        for c, panel in enumerate(row):
            left, bottom = _LEFT + c * (size[0] + gap), height - legend - titles - size[1] - r * pitch
            axes = figure.add_axes((left / width, bottom / height, size[0] / width, size[1] / height))
            draw(axes, summary, panel, styles)
            below = rows[r + 1][c] if r + 1 < len(rows) and c < len(rows[r + 1]) else None
            _write_labels(axes, panel, below, first=c == 0 or row[c - 1].metric != panel.metric, width=size[0])
            drawn.append((panel, axes))
    share_x(drawn)
    share_y(drawn, whole=rows[0][0].task != OVERALL or not has_intervals(summary))
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
