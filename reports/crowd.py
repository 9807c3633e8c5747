"""Score against compute where methods are many: a row a model, a column a unit, and each row's searches named at its end."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports import numbers
from reports.certainty import has_intervals
from reports.legend import draw_legend, faint_handle, fit_legend, single_handle
from reports.panels import AXIS_LABELS, Panel, draw, share_x, share_y
from reports.style import INK, QUIET, REST, Look, looks
from reports.summary import AXES, Method, Summary

_LEFT, _TITLE, _BOTTOM, _GAP = 0.72, 0.42, 0.56, 0.3
"""Margins and gaps in inches."""
_WIDE, _NARROW = (2.75, 2.1), (1.6, 2.2)
"""A plot on a wide and on a narrow screen, at least so high."""
_LINE = 0.165
"""Height of a line of names."""
_LETTER, _MARK = 0.068, 0.62
"""Width of a letter of names, and what is before them."""
_LETTERS = (32, 14)
"""Of a line of names at most, on a wide and on a narrow screen."""


class Name(NamedTuple):
    """A method beside the curves: its text, on lines, and where its curve ends."""

    method: Method
    text: str
    end: float

    @property
    def lines(self) -> int:
        """How many lines it takes."""
        return self.text.count("\n") + 1


def crowd_figure(summary: Summary, verifier: str, narrow: bool = False) -> Figure:
    """The truth guided by one verifier: a row a model, the highest of the others as thin lines; only the run's own unit if narrow."""
    units = [summary.first_axis] if narrow else list(summary.axes)
    width, least = _NARROW if narrow else _WIDE
    models = list(dict.fromkeys(method.model for method in summary.methods))
    own = {model: {method: look for method, look in looks(summary).items() if method.model == model} for model in models}
    names = {model: _names(summary, verifier, own[model], _LETTERS[narrow]) for model in models}
    best = {model: _thin(own[model], names[model]) for model in models}
    others = {model: {method: look for other in models if other != model for method, look in best[other].items()} for model in models}
    heights = [max(least, _LINE * sum(name.lines for name in names[model])) for model in models]
    said = [line for each in names.values() for name in each for line in name.text.split("\n")]
    aside = _MARK + _LETTER * max(map(len, said), default=0)
    total = _LEFT + len(units) * width + (len(units) - 1) * _GAP + aside
    keys = _keys(summary, {model: look.colour for model in models for look in own[model].values() if look.stands_out})
    beside, lines = fit_legend(keys, total)
    top = 0.1 + 0.2 * lines
    height = top + sum(heights) + len(models) * (_TITLE + 0.3) + _BOTTOM - 0.3
    figure, y = Figure(figsize=(total, height)), height - top
    draw_legend(figure, keys, beside)
    drawn: list[tuple[Panel, Axes]] = []
    for model, high in zip(models, heights, strict=True):
        y -= _TITLE + high
        for column, unit in enumerate(units):
            panel = Panel(model if column == 0 else "", unit, verifier, str(summary.truth))
            left = _LEFT + column * (width + _GAP)
            axes = figure.add_axes((left / total, y / height, width / total, high / height))
            draw(axes, summary, panel, {**others[model], **own[model]})
            _say(summary, axes, panel, column, model is models[0] and not narrow, model is models[-1])
            drawn.append((panel, axes))
        y -= 0.3
    share_y(summary, drawn, whole=not has_intervals(summary))
    share_x(drawn)
    for place, model in enumerate(models):
        margin = _margin(figure, drawn[(place + 1) * len(units) - 1][1], aside)
        _write_names(margin, names[model], own[model], drawn[0][1].get_ylim())
        if place == 0 and said:
            margin.text(_MARK - 0.32, margin.get_ylim()[1] + 0.13, "at its largest budget", fontsize=8, color=QUIET)
    return figure


def _thin(styles: Mapping[Method, Look], names: Sequence[Name]) -> dict[Method, Look]:
    """The highest method of a model as a thin line in its colour, for the rows of the others."""
    highest = [name.method for name in names if styles[name.method].stands_out][:1]
    return {method: replace(styles[method], line="-", marker=".", stands_out=False) for method in highest}


def _names(summary: Summary, verifier: str, methods: Iterable[Method], letters: int) -> list[Name]:
    """The searches of these methods with their scores at their largest budget, highest first."""
    found = []
    for method in methods:
        curve = summary.curve(method, verifier, str(summary.truth)).dropna(subset=["mean"])
        if len(curve):
            end = float(curve["mean"].iloc[-1])
            search = textwrap.wrap(re.sub("([,:])", r"\1 ", summary.search(method)), letters, break_long_words=False)
            found.append(Name(method, f"{numbers.score(end)}  " + re.sub("([,:]) ", r"\1", "\n".join(search)), end))
    return sorted(found, key=lambda name: -name.end)


def _keys(summary: Summary, colours: Mapping[str, str]) -> list[Line2D]:
    keys = [Line2D([], [], color=colour, linewidth=1.8, label=model) for model, colour in colours.items()] if len(colours) > 1 else []
    if len(colours) > 1:
        keys.append(Line2D([], [], color=QUIET, linewidth=0.9, label="highest of another model, in its colour"))
    return [*keys, *faint_handle("other searches of the model"), *single_handle(summary)]


def _say(summary: Summary, axes: Axes, panel: Panel, column: int, first: bool, last: bool) -> None:
    axes.set_title(panel.title, loc="left", y=1.03)
    if first:
        axes.set_title(f"by {AXES[panel.unit]}", loc="right", y=1.03, color=QUIET, fontweight="normal")
    if last:
        axes.set_xlabel(AXIS_LABELS[panel.unit], fontsize=8)
    if column == 0:
        axes.set_ylabel(summary.metric_name(panel.metric), fontsize=9)
    else:
        axes.tick_params(labelleft=False)


def _margin(figure: Figure, last: Axes, aside: float) -> Axes:
    """The space beside a row, in inches."""
    box = last.get_position()
    margin = figure.add_axes((box.x1, box.y0, aside / figure.get_figwidth(), box.height))
    margin.set(xlim=(0, aside), ylim=(0, box.height * figure.get_figheight()))
    margin.set_axis_off()
    return margin


def _write_names(margin: Axes, names: Sequence[Name], styles: Mapping[Method, Look], scores: tuple[float, float]) -> None:
    """Names in the margin beside a row, each as near the height where its curve ends as there is room; `scores` is the row's y range."""
    tall, (low, high) = margin.get_ylim()[1], scores
    wanted = [(name.end - low) / (high - low) * tall for name in names]
    for name, end, y in zip(names, wanted, spread(wanted, [_LINE * name.lines for name in names], tall), strict=True):
        look = styles[name.method]
        margin.plot([0.04, 0.26], [end, y], color=REST, linewidth=0.6)
        margin.plot([0.4], [y], color=look.colour, marker=look.marker, markersize=5, linestyle="none")
        weight = "bold" if look.stands_out else "normal"
        margin.text(0.54, y, name.text, va="center", fontsize=8, color=INK if look.stands_out else QUIET, fontweight=weight)


def spread(wanted: Sequence[float], heights: Sequence[float], tall: float) -> list[float]:
    """Where the middles of labels of these heights are set, from the top down: none covers another, each near where it is wanted.

    None is below 0, nor above `tall` where there is room for all.
    """
    placed: list[float] = []
    roof = tall + heights[0] / 2 if heights else tall
    for want, height in zip(wanted, heights, strict=True):
        placed.append(min(want, roof - height / 2))
        roof = placed[-1] - height / 2
    floor = 0.0
    for place in reversed(range(len(placed))):
        placed[place] = max(placed[place], floor + heights[place] / 2)
        floor = placed[place] + heights[place] / 2
    return placed
