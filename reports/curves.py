"""Score against compute: a line a method, bands of 95 % intervals over prompts, x the mean really spent per prompt."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.certainty import has_intervals
from reports.crowd import crowd_figure
from reports.emphasis import crowded
from reports.legend import NARROW, draw_legend, fit_legend, handles, single_handle
from reports.panels import AXIS_LABELS, Panel, draw, share_x, share_y
from reports.statistics import OVERALL
from reports.style import looks
from reports.summary import Summary
from results.schema import GRADE

_LEFT, _RIGHT, _BOTTOM, _TITLE, _GAP = 0.72, 0.18, 0.56, 0.34, 0.34
"""Margins and gaps of a figure in inches."""
_NARROW = (NARROW - _LEFT - _RIGHT, 2.1)
"""Of a plot on a narrow screen, where each has its own row."""
_BELOW = 14.5
"""Letters of what is below an axis in an inch."""
_LETTERS = 11.5
"""Letters of a title in an inch, at its size and weight."""


Drawing = Callable[[bool], Figure]
"""A figure for a wide screen (False) or for a narrow one (True)."""


def main_figure(summary: Summary, verifier: str) -> Drawing:
    """The truth against every unit, guided by one verifier: side by side, or stacked for a narrow screen; of many methods a row a model."""
    if crowded(summary):
        return partial(crowd_figure, summary, verifier)
    metric = str(summary.truth)
    panels = [Panel(f"by {name}", unit, verifier, metric) for unit, name in summary.axes.items()]
    return Grid(summary, _rows_of(panels, 3), (3.35, 2.95))


def task_figure(summary: Summary, verifier: str, unit: str) -> Drawing:
    """The truth per task against one unit, guided by one verifier."""
    metric = str(summary.truth)
    panels = [Panel(task.replace("_", " "), unit, verifier, metric, task) for task in summary.tasks]
    return Grid(summary, _rows_of(panels, 3), (3.35, 2.2))


def verifier_figure(summary: Summary, unit: str) -> Drawing:
    """Every metric (rows) under every guiding verifier (columns) against one unit: gains by one's own judge and by others."""
    verifiers = summary.runs.verifiers
    if len(verifiers) == 1:
        titles = {metric: "the grader" if metric == GRADE else metric for metric in summary.metrics}
        panels = [Panel(f"judged by {name}", unit, verifiers[0], metric) for metric, name in titles.items()]
        return Grid(summary, _rows_of(panels, 3), (3.35, 2.6))
    rows = [[Panel(f"guided by {name}", unit, name, metric) for name in verifiers] for metric in summary.metrics]
    return Grid(summary, rows, ({2: 4.2, 3: 3.35}.get(len(rows[0]), 2.75), 2.0))


def _rows_of(panels: Sequence[Panel], width: int) -> list[list[Panel]]:
    """Panels in rows of at most this many, all as full as they can be: four in two rows of two, not in three and one."""
    width = -(-len(panels) // -(-len(panels) // width))
    return [list(panels[start : start + width]) for start in range(0, len(panels), width)]


class Grid:
    """Panels in rows of equal cells (`size`: width and height in inches) under one legend; one below the other if narrow.

    They are drawn once, and only laid out anew for the other screen, in the same figure: save the one before asking for the other.
    """

    def __init__(self, summary: Summary, rows: Sequence[Sequence[Panel]], size: tuple[float, float]) -> None:
        self._summary, self._rows, self._size = summary, rows, size
        self._figure = Figure()
        styles = looks(summary)
        self._axes: dict[Panel, Axes] = {}
        for panel in (panel for row in rows for panel in row):
            self._axes[panel] = self._figure.add_axes((0, 0, 1, 1))
            draw(self._axes[panel], summary, panel, styles)
        drawn = list(self._axes.items())
        share_x(drawn)
        share_y(summary, drawn, whole=rows[0][0].task != OVERALL or not has_intervals(summary))

    def __call__(self, narrow: bool) -> Figure:
        """The figure, laid out for a wide or a narrow screen until it is asked for again."""
        rows, size = ([[panel] for panel in self._axes], _NARROW) if narrow else (self._rows, self._size)
        columns = max(len(row) for row in rows)
        # Neighbours of different scales have their own y axes, which need room for numbers.
        gap = _GAP if all(_alike(self._summary, panel, row[0]) for row in rows for panel in row) else _LEFT
        width = _LEFT + columns * size[0] + (columns - 1) * gap + _RIGHT
        keys = [*handles(self._summary), *single_handle(self._summary)]
        beside, lines = fit_legend(keys, width)
        legend = 0.1 + 0.2 * lines
        titles = _TITLE + 0.16 * (max(-(-len(panel.title) // int(size[0] * _LETTERS)) for row in rows for panel in row) - 1)
        bottom = _BOTTOM + 0.14 * (max(len(_below(panel, size[0])) for panel in self._axes) - 1)
        pitch = size[1] + titles + (bottom if rows[0][0].unit != rows[-1][0].unit else 0.3)
        height = legend + titles + size[1] + (len(rows) - 1) * pitch + bottom
        self._figure.set_size_inches(width, height)
        draw_legend(self._figure, keys, beside)
        for r, row in enumerate(rows):
            for c, panel in enumerate(row):
                left, low = _LEFT + c * (size[0] + gap), height - legend - titles - size[1] - r * pitch
                self._axes[panel].set_position((left / width, low / height, size[0] / width, size[1] / height))
                below = rows[r + 1][c] if r + 1 < len(rows) and c < len(rows[r + 1]) else None
                first = c == 0 or not _alike(self._summary, row[c - 1], panel)
                name = self._summary.metric_name(panel.metric, panel.task) if first else ""
                _write_labels(self._axes[panel], panel, below, name, width=size[0])
        return self._figure


def _alike(summary: Summary, one: Panel, other: Panel) -> bool:
    return summary.scale(one.metric, one.task) == summary.scale(other.metric, other.task)


def _below(panel: Panel, width: float) -> list[str]:
    """What is on the x axis of a plot so wide in inches, in lines; it may stand out to the left, where the y axis is."""
    return textwrap.wrap(AXIS_LABELS[panel.unit], int((width + _RIGHT) * _BELOW))


def _write_labels(axes: Axes, panel: Panel, below: Panel | None, name: str, width: float) -> None:
    """Title, axes and, with its `name`, what is on the y axis."""
    # A given height spares matplotlib the search for a free one, a third of the drawing time.
    axes.set_title("\n".join(textwrap.wrap(panel.title, int(width * _LETTERS))), loc="left", y=1.03)
    axes.set_xlabel("\n".join(_below(panel, width)) if below is None or below.unit != panel.unit else "", fontsize=8.5)
    axes.set_ylabel(name, fontsize=9)
    axes.tick_params(labelleft=bool(name))
