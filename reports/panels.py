"""One small plot of score against compute: a line a method, bands of 95 % intervals over prompts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.statistics import OVERALL
from reports.style import QUIET, SURFACE, Look, log_axis, quiet_axes
from reports.summary import Method, Summary, is_single
from results.schema import GRADE

AXIS_LABELS = {
    "images": "images per prompt (finished ones; previews not counted)",
    "nfe": "NFE per prompt (transformer passes)",
    "flops": "FLOPs per prompt (model, decoder, text, verifier)",
    "seconds": "seconds per prompt (verification included)",
}
_SHARE = (-0.06, 1.06)
"""Range of a share of images, with room for whole markers."""
_MARKER, _RIM, _FAINT = 5.4, 3.2, 3.4
"""Size of a marker in points, what it grows by for each that lies upon it, and the size where a method does not stand out."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One small plot: which unit, guiding verifier, metric and task it shows, and its heading."""

    title: str
    unit: str
    verifier: str
    metric: str
    task: str = OVERALL


def draw(axes: Axes, summary: Summary, panel: Panel, styles: Mapping[Method, Look]) -> None:
    """Draw the curves of these methods; those that do not stand out lie beneath, thin and without bands."""
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
    range_, strong = (min(means), max(means)), [method for method in curves if styles[method].stands_out]
    for method in (method for method in curves if method not in strong):
        look = styles[method]
        axes.plot(*zip(*points[method], strict=True), color=look.colour, linewidth=0.9, marker=look.marker, markersize=_FAINT, zorder=2)
    for place, method in enumerate(strong):
        over = [point for other in strong[place + 1 :] for point in points[other]]
        _strong(axes, panel.unit, styles[method], curves[method], 3 + place / 100)
        for point in points[method]:
            if above := sum(_upon(point, other, range_) for other in over):
                axes.plot(*point, markersize=_MARKER + _RIM * above, **_line(styles[method], 3 + place / 100))
    if len(means) > 2 and range_[1] - range_[0] < 1e-9:
        # Lines upon lines: which is which cannot be seen, that they agree can be said.
        axes.text(0.5, 0.5, f"every method at every budget: {means[0]:.2f}", transform=axes.transAxes, ha="center", va="center",
                  color=QUIET, fontsize=8.5)  # fmt: skip


def _strong(axes: Axes, unit: str, look: Look, curve: pd.DataFrame, zorder: float) -> None:
    """A line with its band, or a point with its bar, and a ring around one image of random search."""
    x, mean = curve[unit].to_numpy(), curve["mean"].to_numpy()
    if len(x) > 1:
        axes.fill_between(x, curve["low"], curve["high"], color=look.colour, alpha=0.09, linewidth=0)
        for end in ("low", "high"):  # bands that lie upon one another are told apart by their edges
            axes.plot(x, curve[end], color=look.colour, alpha=0.4, linewidth=0.6, linestyle=look.line)
    else:
        bars = np.vstack([mean - curve["low"], curve["high"] - mean])
        axes.errorbar(x, mean, yerr=bars, color=look.colour, capsize=3, linewidth=1.2)
    axes.plot(x, mean, linewidth=1.7, linestyle=look.line, markersize=_MARKER, **_line(look, zorder))
    single = curve[is_single(curve)]
    if not single.empty:
        axes.plot(
            single[unit], single["mean"], linestyle="none", marker="o", markersize=8.5, markerfacecolor=SURFACE,
            markeredgecolor=look.colour, markeredgewidth=1.8, zorder=5,
        )  # fmt: skip


def _line(look: Look, zorder: float) -> dict[str, Any]:
    return {"color": look.colour, "marker": look.marker, "markeredgecolor": SURFACE, "markeredgewidth": 0.7, "zorder": zorder}


def _upon(point: tuple[float, float], other: tuple[float, float], range_: tuple[float, float]) -> bool:
    """Whether two points would hide one another: each method's then has a rim around those above it."""
    low, high = range_
    return abs(math.log(point[0] / other[0])) < 0.02 and abs(point[1] - other[1]) <= 0.01 * (high - low)


def share_y(drawn: Sequence[tuple[Panel, Axes]], whole: bool) -> None:
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


def share_x(drawn: Sequence[tuple[Panel, Axes]]) -> None:
    """One x range of each unit for all panels, so that they can be compared by eye."""
    for unit in {panel.unit for panel, _ in drawn}:
        group = [axes for panel, axes in drawn if panel.unit == unit and axes.lines]
        spent = [np.asarray(line.get_xdata(), dtype=float) for axes in group for line in axes.lines]
        for axes in group:
            log_axis(axes, float(min(map(np.min, spent))), float(max(map(np.max, spent))))
